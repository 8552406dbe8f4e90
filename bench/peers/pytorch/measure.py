"""Time and memory, measured as package child does."""
import ctypes
import math
import resource
import statistics
import time


def preemptions():
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def measure(step, budget):
    """What a reply says of the time of step(i), whose argument counts up. The
    budget, in seconds, is spent on windows of a fiftieth of it, or of one step if
    that takes longer; three at least, unless they take ten budgets. Their lower
    quartile counts."""
    done = 0

    def run(times):
        nonlocal done
        start = time.perf_counter()
        for i in range(done, done + times):
            step(i)
        done += times
        return time.perf_counter() - start

    window, times = budget / 50, 1
    while (elapsed := run(times)) < window:  # and warm up
        times = math.ceil(times * min(1.1 * window / elapsed, 100))
    seconds, disturbed, spent = [], 0, 0.0
    while spent < budget or len(seconds) < 3 and spent < 10 * budget:
        before = preemptions()
        elapsed = run(times)
        disturbed += preemptions() > before
        seconds.append(elapsed / times)
        spent += elapsed
    quartile = statistics.quantiles(seconds, method="inclusive")[0] if len(seconds) > 1 else seconds[0]
    return {"seconds": quartile, "windows": len(seconds), "disturbed": disturbed}


def settle():
    """Returns when no thread spins any more, waiting for work."""
    for _ in range(400):
        before = time.process_time()
        time.sleep(0.005)
        if time.process_time() - before < 0.001:
            return
    raise RuntimeError("threads still spin after a measurement")


def status(field):
    """A field of this process's status, in bytes; None where there is none."""
    try:
        with open("/proc/self/status") as lines:
            for line in lines:
                if line.startswith(field + ":"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    return None


def growth(work):
    """How much resident memory grows at its peak while work() runs, 0 if the
    system doesn't tell. What has been freed is given back to the system before."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")  # the peak begins anew
    except (OSError, AttributeError):
        return 0
    before = status("VmRSS")
    work()
    return status("VmHWM") - before
