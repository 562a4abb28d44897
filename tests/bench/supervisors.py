"""The supervisors that are compared: how each is configured, started, asked and stopped."""
import os
import shutil
import signal
import subprocess
import time


class Programs:
    def __init__(self, build):
        self.build = build
        bench = os.path.join(build, 'tests/bench')
        self.beacon = os.path.join(bench, 'bench_beacon')
        self.bare_loop = os.path.join(bench, 'bench_bare_loop')
        self.empty = os.path.join(bench, 'bench_empty')
        self.reeved = os.path.join(build, 'reeved')
        self.reevectl = os.path.join(build, 'reevectl')
        self.reeve_init = os.path.join(build, 'reeve-init')


def children_of(pid):
    out = []
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/children') as f:
            out += [int(p) for p in f.read().split()]
    return out


def remove_cgroup(top):
    """Kills what is left below `top` and removes it, as soon as the kernel lets go."""
    with open(top + '/cgroup.kill', 'w') as f:
        f.write('1')
    deadline = time.monotonic() + 10
    while os.path.isdir(top) and time.monotonic() < deadline:
        for root, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(root)
            except OSError:
                pass


class Supervisor:
    """One that is compared. `folder` is its own; `fifo` is where beacons report."""
    name = ''
    files_per_service = 0  # open ones, in the supervisor
    most = 0  # services that it can run here

    def __init__(self, programs, folder):
        self.programs = programs
        self.folder = os.path.join(folder, self.name)
        os.makedirs(self.folder, exist_ok=True)
        self.fifo = os.path.join(self.folder, 'fifo')
        self.process = None

    def clean(self):
        shutil.rmtree(self.folder)
        os.makedirs(self.folder)
        os.mkfifo(self.fifo)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)

    def spawn(self, argv, **more):
        env = dict(os.environ, BEACON_FIFO=self.fifo)
        self.log = open(os.path.join(self.folder, 'log'), 'w')
        self.process = subprocess.Popen(argv, env=env, stdout=self.log, stderr=self.log, **more)

    def configure(self, n, chain):
        """Writes the configuration of n services, each after the one before it when `chain`."""
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def own_pids(self):
        """The supervisor's own processes, whose memory counts."""
        return [self.process.pid]

    def keeper_pids(self):
        """Those of own_pids() whose memory is told apart."""
        return []

    def status_command(self):
        """Asks for the state of s0; None: there is nothing to ask."""
        return None

    def kill(self, pid):
        """SIGKILL to a service, by the pid it sees itself as. Returns when, ns."""
        t0 = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        return t0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


class BareLoop(Supervisor):
    name = 'bare-loop'

    def configure(self, n, chain):
        self.n = n

    def start(self):
        self.spawn([self.programs.bare_loop, self.programs.beacon, str(self.n)],
                   stdin=subprocess.PIPE)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(120)


class Reeve(Supervisor):
    name = 'reeve'
    files_per_service = 6  # cgroup, pidfd, two pipes of which it keeps both ends

    def configure(self, n, chain):
        names = [f's{i}' for i in range(n)]
        for i, name in enumerate(names):
            after = f'[unit]\nrequires = ["s{i - 1}"]\n' if chain and i else ''
            self.write(f'units/{name}.toml',
                       f'{after}[service]\ncommand = ["{self.programs.beacon}", "{name}"]\n'
                       f'environment = {{ BEACON_FIFO = "{self.fifo}" }}\n'
                       'restart = "always"\nbackoff = { first = "0s" }\n')
        wants = ', '.join(f'"{name}"' for name in names)
        self.write('units/bench.toml', f'[unit]\nwants = [{wants}]\n[target]\n')

    def start(self):
        self.spawn([self.programs.reeved, '--unit-path', self.folder + '/units', '--runtime-dir',
                    self.folder + '/run', '--target', 'bench', '--log-level', 'warn'])

    def own_pids(self):
        return [self.process.pid]

    def status_command(self):
        return [self.programs.reevectl, '--socket', self.folder + '/run/bus', 'is-active', 's0']


class KeptReeve(Reeve):
    """reeved under its keeper, reeve-init: both count."""
    name = 'kept-reeve'

    def start(self):
        os.environ['REEVE_MANAGER'] = self.programs.reeved
        self.spawn([self.programs.reeve_init, '--unit-path', self.folder + '/units',
                    '--runtime-dir', self.folder + '/run', '--target', 'bench', '--log-level',
                    'warn'])

    def managers(self):
        def is_one(pid):
            with open(f'/proc/{pid}/comm') as comm:
                return comm.read() == 'reeved\n'
        return [pid for pid in children_of(self.process.pid) if is_one(pid)]

    def own_pids(self):
        managers = self.managers()
        return managers and [self.process.pid, *managers]

    def keeper_pids(self):
        return [self.process.pid]


class Dinit(Supervisor):
    name = 'dinit'

    def __init__(self, programs, folder, binary):
        super().__init__(programs, folder)
        self.binary = binary
        self.ctl = os.path.join(os.path.dirname(binary), 'dinitctl')

    def configure(self, n, chain):
        for i in range(n):
            after = f'depends-on = s{i - 1}\n' if chain and i else ''
            self.write(f'units/s{i}', 'type = process\n'
                       f'command = {self.programs.beacon} s{i}\n{after}'
                       'restart = true\nrestart-delay = 0\nrestart-limit-count = 0\n')
        self.write('units/boot', 'type = internal\n' + ''.join(f'waits-for = s{i}\n' for i in range(n)))

    def start(self):
        self.spawn([self.binary, '-d', self.folder + '/units', '-p', self.folder + '/socket', '-q'])

    def status_command(self):
        return [self.ctl, '-p', self.folder + '/socket', 'is-started', 's0']


# Run inside the new namespaces: a private /run, /proc and cgroup2 tree, then systemd as PID 1.
SYSTEMD_STAGE = r'''
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=reeve-bench PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    SYSTEMD_UNIT_PATH="$1" SYSTEMD_LOG_LEVEL=err BEACON_FIFO="$2" \
    /lib/systemd/systemd --system --unit=bench.target --log-target=console --show-status=no
'''


# Kills by pids of the inner namespace, and says when it did; the clock is the same.
KILLER = '''
import os, sys, time
for line in sys.stdin:
    t0 = time.monotonic_ns()
    os.kill(int(line), 9)
    print(t0, flush=True)
'''


class Systemd(Supervisor):
    name = 'systemd'
    cgroup = '/sys/fs/cgroup/unified/reeve-bench-systemd'

    def configure(self, n, chain):
        base = '[Unit]\nDefaultDependencies=no\n'
        for i in range(n):
            after = f'Requires=s{i - 1}.service\nAfter=s{i - 1}.service\n' if chain and i else ''
            self.write(f'units/s{i}.service',
                       f'{base}{after}StartLimitIntervalSec=0\n[Service]\nType=exec\n'
                       f'ExecStart={self.programs.beacon} s{i}\n'
                       f'Environment=BEACON_FIFO={self.fifo}\nRestart=always\nRestartSec=0\n'
                       'StandardOutput=null\nStandardError=null\n')
        wants = ''.join(f'Wants=s{i}.service\n' for i in range(n))
        self.write('units/bench.target', base + wants)
        for name in ('sysinit', 'basic', 'shutdown', 'umount', 'final', 'exit', 'poweroff'):
            self.write(f'units/{name}.target', base)
        self.write('units/systemd-exit.service',
                   base + '[Service]\nType=oneshot\nExecStart=/bin/systemctl --force exit\n')
        self.write('units/exit.target',
                   base + 'Requires=systemd-exit.service\nAfter=systemd-exit.service\n')

    def start(self):
        if not os.path.isdir('/sys/fs/cgroup/unified'):
            self.cgroup = '/sys/fs/cgroup/reeve-bench-systemd'
        os.makedirs(self.cgroup, exist_ok=True)

        def enter():
            with open(self.cgroup + '/cgroup.procs', 'w') as f:
                f.write(str(os.getpid()))
        self.killer = None
        self.spawn(['unshare', '--pid', '--mount', '--cgroup', '--fork', '--kill-child',
                    'sh', '-c', SYSTEMD_STAGE, 'sh', self.folder + '/units', self.fifo],
                   preexec_fn=enter)

    def own_pids(self):
        return children_of(self.process.pid)

    def kill(self, pid):
        if self.killer is None:
            self.killer = subprocess.Popen(
                ['nsenter', '-t', str(self.own_pids()[0]), '-p', '/usr/bin/python3', '-c', KILLER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.killer.stdin.write(f'{pid}\n')
        self.killer.stdin.flush()
        return int(self.killer.stdout.readline())

    def status_command(self):
        return ['nsenter', '-t', str(self.own_pids()[0]), '-p', '-m', '-C',
                'systemctl', 'is-active', 's0.service']

    def stop(self):
        # SIGRTMIN+13: halt immediately, after stopping units; in a container that is an exit.
        subprocess.run(['nsenter', '-t', str(self.own_pids()[0]), '-p', '-m', '-C',
                        'systemctl', 'stop', '*.service'], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120)
        self.stopped_at = time.monotonic_ns()
        if self.killer:
            self.killer.stdin.close()
            self.killer.wait(10)
        self.process.kill()
        self.process.wait(60)
        remove_cgroup(self.cgroup)


def works(peer):
    """Starts three services; an error text when that does not work here."""
    import measure
    try:
        measure.started(peer, 3, chain=False, limit=10)
        peer.stop()
        return None
    except Exception as e:  # the reason is told, the others go on
        if peer.process:
            peer.process.kill()
        with open(os.path.join(peer.folder, 'log')) as f:
            said = f.read().strip().splitlines()[-1:]
        return f'{e} {" ".join(said)}'.strip()


def available(programs, folder, dinit):
    peers = [BareLoop(programs, folder), Reeve(programs, folder), KeptReeve(programs, folder)]
    missing = []
    dinit = dinit or shutil.which('dinit')
    if dinit:
        peers.append(Dinit(programs, folder, os.path.abspath(dinit)))
    else:
        missing.append(('dinit', 'no binary; give one with --dinit PATH'))
    if not os.path.exists('/lib/systemd/systemd'):
        missing.append(('systemd', 'not installed'))
    elif os.geteuid() != 0:
        missing.append(('systemd', 'needs root for its namespaces'))
    else:
        systemd = Systemd(programs, folder)
        why = works(systemd)
        if why:
            missing.append(('systemd', why))
        else:
            peers.append(systemd)
    return peers, missing
