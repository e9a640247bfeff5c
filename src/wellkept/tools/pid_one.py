"""The first process of a container inherits everybody whose parent died, and must bury them: a dead restic that nobody buries counts as alive."""

import os
import signal

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def bury_for_all() -> None:
    """As process number 1: go on in a child, and stay behind to bury the dead, to pass on signals and to end as the child ends. Elsewhere nothing.

    To be called before any thread is started. Our own children stay with the child, whose waits are not disturbed.
    """
    if os.getpid() != 1:
        return
    # A signal that comes before its handler stands would be lost: the kernel drops for process number 1 what it does not handle.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = os.fork()
    if child == 0:
        # A Ctrl-C at the terminal reaches us once, passed on, and not a second time by the terminal's group.
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    for number in PASSED_ON:
        signal.signal(number, lambda got, _frame: os.kill(child, got))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    while True:
        buried, status = os.waitpid(-1, 0)
        if buried == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
