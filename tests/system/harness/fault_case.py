"""The base of tests that make system calls fail, several at a time; with REEVE_LONG at three
occurrences of each site, with each error that the call can give."""
import errno
import subprocess
import sys

import dbus

from .case import LONG, BoardTest, scaled
from .fault_story import Story, kinds_of_descriptors
from .faults import Fault, errors_of, is_told, silences
from .waiting import wait_until

LOG_FAILED = "*** LOG ERROR"  # what was to be said is lost with it
TOGETHER = 12


class FaultTest(BoardTest):
    def story(self, board):
        self._boards.append(board)
        return Story(board)

    def drop(self, board):
        self._boards.remove(board)
        board.remove()

    def faults_of(self, sites, every):
        """At CI's scale one error a site, of which the likeliest come first, and of the sites one
        of `every`."""
        faults = []
        for number, site in enumerate(sites):
            errors = errors_of(site)
            if LONG:
                faults += [Fault(site, error, call) for error in errors for call in (1, 2, 3)]
            elif errors and number % every == 0:
                faults.append(Fault(site, errors[number // every % len(errors)]))
        return faults

    def group_of(self, faults):
        """The next few faults, of different sites. Those that are told have different messages, and
        none of them is about the log, where these would be lost."""
        group, told = [], set()
        for fault in faults:
            if len(group) == TOGETHER:
                break
            if any(fault.site == other.site for other in group):
                continue
            if (is_told(fault) and fault.error in told) or (told and silences(fault)):
                continue
            told |= {fault.error} if is_told(fault) else set()
            told |= set(dir(errno)) if silences(fault) else set()
            group.append(fault)
        return group

    def check_told(self, faults, injected, said):
        for fault in faults:
            if fault.site not in injected or not is_told(fault) or LOG_FAILED in said():
                continue
            wait_until(lambda: any(text in said() for text in fault.texts),
                       lambda: f"silent: {fault}\n{said()[-1500:]}", deadline=3)

    def check_leaks(self, board, held):
        leaked = lambda: kinds_of_descriptors(board) - held
        wait_until(lambda: not leaked(), lambda: f"leaked: {leaked()}", deadline=10)

    def run_groups(self, name, sites, once, every=1):
        """once(faults) gives the sites of those that happened. All groups are tried before the test
        fails. `every`: at CI's scale one of so many sites."""
        sites = [site for site in dict.fromkeys(sites) if errors_of(site)]
        faults, problems, injected = self.faults_of(sites, every), [], 0
        left = list(faults)
        while left:
            group = self.group_of(left)
            left = [fault for fault in left if fault not in group]
            try:
                happened = once(group)
            except (AssertionError, OSError, subprocess.SubprocessError,
                    dbus.exceptions.DBusException) as error:
                problems.append(f"{str(error)[:3000]}\nof {'; '.join(map(str, group))}")
                print(problems[-1], file=sys.stderr, flush=True)  # a test at full scale is long
                continue
            injected += sum(fault.site in happened for fault in group)
            if happened:  # one may have kept the others from being reached
                left += [f for f in group if f.site not in happened]
        rest = 0 if LONG else len(sites) - len(faults)
        print(f"{name}: {len(sites)} sites, {len(faults)} faults, {injected} injected, "
              f"{len(problems)} findings; {rest} sites are left to REEVE_LONG")
        self.assertFalse(problems, f"{len(problems)} of them\n" + "\n\n".join(problems))
        self.assertGreater(injected, len(faults) // scaled(2, 8))
