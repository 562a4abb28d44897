"""What is measured of each supervisor, and the table of it."""
import fcntl
import os
import select
import statistics
import subprocess
import tempfile
import time

F_SETPIPE_SZ = 1031


class Beacons:
    """Reads the lines of the beacons: name, pid, and when it began (CLOCK_MONOTONIC, ns)."""

    def __init__(self, fifo):
        self.fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.fd, F_SETPIPE_SZ, 1 << 20)
        self.rest = b''
        self.lines = []

    def next(self, limit):
        deadline = time.monotonic() + limit
        while not self.lines:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError('no sign of life from a service')
            *whole, self.rest = (self.rest + os.read(self.fd, 1 << 16)).split(b'\n')
            self.lines += [line.split() for line in whole]
        name, pid, began = self.lines.pop(0)
        return name.decode(), int(pid), int(began)

    def close(self):
        os.close(self.fd)


def started(peer, n, chain, limit=120):
    """Starts the supervisor with n services. Returns beacons, pids by name, milliseconds."""
    peer.clean()
    peer.configure(n, chain)
    beacons = Beacons(peer.fifo)
    t0 = time.monotonic_ns()
    peer.start()
    pids, last = {}, t0
    for _ in range(n):
        name, pid, began = beacons.next(limit)
        pids[name] = pid
        last = max(last, began)
    return beacons, pids, (last - t0) / 1e6


def memory(pids):
    """Private and proportional memory of the processes, kB."""
    private = pss = 0
    for pid in pids:
        with open(f'/proc/{pid}/smaps_rollup') as f:
            for line in f:
                key, *value = line.split()
                if key in ('Private_Clean:', 'Private_Dirty:'):
                    private += int(value[0])
                elif key == 'Pss:':
                    pss += int(value[0])
    return private, pss


def switches(pids):
    total = 0
    for pid in pids:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/status') as f:
                total += sum(int(line.split()[1]) for line in f if 'ctxt_switches' in line)
    return total


def settle(pids, limit=20):
    """Waits until the supervisor has been quiet for half a second."""
    deadline = time.monotonic() + limit
    before = switches(pids)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = switches(pids)
        if now == before:
            return
        before = now


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def restarts(peer, beacons, pids, count):
    """Kills services in turn; microseconds from the kill to the successor's first instruction."""
    names = list(pids)
    out = []
    for i in range(count):
        name = names[i % len(names)]
        t0 = peer.kill(pids[name])
        got, pid, began = beacons.next(20)
        assert got == name, (got, name)
        pids[name] = pid
        out.append((began - t0) / 1e3)
        time.sleep(0.001)  # apart, so that each is measured alone
    return out


def call_time(argv, count=20):
    """Milliseconds of one call, median."""
    out = []
    for _ in range(count):
        t0 = time.monotonic_ns()
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        out.append((time.monotonic_ns() - t0) / 1e6)
    return statistics.median(out)


def stripped_size(program):
    """Bytes of a program without its symbols."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(['strip', '-o', out.name, program], check=True)
        return os.path.getsize(out.name)


def one_round(peer, n, restart_count, out):
    """Every figure of one supervisor with n services, appended to `out`."""
    def note(key, value):
        out.setdefault(key, []).append(value)
    beacons, pids, ms = started(peer, n, chain=False)
    note(f'start {n} ms', ms)
    if peer.name != 'bare-loop' and n in (100, 1000):
        own = peer.own_pids()
        settle(own)
        private, pss = memory(own)
        note(f'private {n} kB', private)
        if peer.keeper_pids():
            note(f'private {n} kB, keeper', memory(peer.keeper_pids())[0])
        note(f'pss {n} kB', pss)
        if n == 100:
            before = switches(own)
            time.sleep(2)
            note('idle switches in 2 s', switches(own) - before)
        latencies = restarts(peer, beacons, pids, restart_count)
        note(f'restart {n} median us', statistics.median(latencies))
        note(f'restart {n} p99 us', percentile(latencies, 0.99))
        command = peer.status_command()
        if command:
            note(f'status {n} ms', call_time(command))
    t0 = time.monotonic_ns()
    peer.stop()
    note(f'stop {n} ms', (getattr(peer, 'stopped_at', 0) or time.monotonic_ns()) / 1e6 - t0 / 1e6)
    beacons.close()


def chain_round(peer, n, out):
    if peer.name == 'bare-loop':
        return
    beacons, _, ms = started(peer, n, chain=True)
    out.setdefault(f'chain {n} ms', []).append(ms)
    peer.stop()
    beacons.close()


def empty_round(peer, out):
    """Memory with no service at all."""
    if peer.name == 'bare-loop':
        return
    peer.clean()
    peer.configure(0, False)
    peer.start()
    deadline = time.monotonic() + 10
    while not peer.own_pids() and time.monotonic() < deadline:
        time.sleep(0.01)
    settle(peer.own_pids())
    private, pss = memory(peer.own_pids())
    out.setdefault('private 0 kB', []).append(private)
    if peer.keeper_pids():
        out.setdefault('private 0 kB, keeper', []).append(memory(peer.keeper_pids())[0])
    out.setdefault('pss 0 kB', []).append(pss)
    peer.stop()


def give_up(peer):
    """Ends what a round that failed has started: its services too, if the supervisor still can."""
    if not peer.process:
        return
    try:
        peer.stop()
    except (OSError, subprocess.SubprocessError):
        peer.process.kill()
        peer.process.wait()


def run_all(peers, sizes, rounds, restart_count, programs):
    raw = {peer.name: {} for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            try:
                empty_round(peer, raw[peer.name])
                for n in (n for n in sizes if n <= peer.most):
                    one_round(peer, n, restart_count, raw[peer.name])
                if 1000 in sizes:
                    chain_round(peer, 1000, raw[peer.name])
                elif sizes:
                    chain_round(peer, sizes[0], raw[peer.name])
            except (TimeoutError, AssertionError, OSError, subprocess.SubprocessError) as e:
                raw[peer.name].setdefault('error', []).append(f'{type(e).__name__}: {e}')
                give_up(peer)
    results = {name: {key: statistics.median(v) if key != 'error' else v
                      for key, v in figures.items()} for name, figures in raw.items()}
    results['empty program'] = {'call ms': call_time([programs.empty], 50)}
    return results


def complete(results):
    return all('error' not in figures for figures in results.values())


def table(results, sizes):
    names = [n for n in results if n != 'empty program']
    keys = list(dict.fromkeys(k for n in names for k in results[n] if k != 'error'))
    lines = ['| figure | ' + ' | '.join(names) + ' |', '|---' * (len(names) + 1) + '|']
    for key in keys:
        cells = []
        for name in names:
            value = results[name].get(key)
            text = '' if value is None else f'{value:.1f}' if value < 100 else f'{value:.0f}'
            floor = results.get('bare-loop', {}).get(key)
            if value is not None and floor and key.startswith('start') and name != 'bare-loop':
                text += f' ({value / floor:.2f} ×)'
            cells.append(text)
        lines.append(f'| {key} | ' + ' | '.join(cells) + ' |')
    call = results['empty program']['call ms']
    lines.append(f'\none call of an empty dynamic program: {call:.2f} ms')
    for name in names:
        status = results[name].get('status 100 ms')
        if status:
            lines.append(f'{name}: one status call is {status / call:.1f} × that')
        for error in results[name].get('error', []):
            lines.append(f'{name}: FAILED: {error}')
    return '\n'.join(lines)
