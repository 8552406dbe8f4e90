package memory

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// availableIn is Available on Linux, with its files in root.
func availableIn(root fs.FS) uint64 {
	least := uint64(unlimited)
	for _, bytes := range []uint64{
		inMeminfo(root), inGroups(root, version2), inGroups(root, version1), inAddressSpace(root),
	} {
		least = min(least, bytes)
	}
	if least == unlimited {
		return 0
	}
	return max(least, 1) // 0 means that nobody knows
}

// unlimited is the amount where nothing is known, or no limit is set.
const unlimited = math.MaxUint64

// inMeminfo is what the kernel could give to a new program without swapping.
func inMeminfo(root fs.FS) uint64 {
	for line := range lines(root, "proc/meminfo") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			if kib, err := strconv.ParseUint(f[1], 10, 64); err == nil && kib <= unlimited>>10 {
				return kib << 10
			}
		}
	}
	return unlimited
}

// groups says where a version of control groups has its files.
type groups struct {
	controller   string // in /proc/self/cgroup
	mount        string
	limit, usage string
	inactive     string // key in memory.stat: file pages that can be given back
}

var (
	version2 = groups{"", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}
	version1 = groups{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
)

// inGroups is what is left of the limits of the process's control group and those above it.
func inGroups(root fs.FS, g groups) uint64 {
	least := g.left(root, g.mount) // a container often sees its own group as the root
	for line := range lines(root, "proc/self/cgroup") {
		f := strings.SplitN(line, ":", 3)
		if len(f) < 3 || !hasController(f[1], g.controller) {
			continue
		}
		for at := path.Join("/", f[2]); at != "/"; at = path.Dir(at) {
			least = min(least, g.left(root, g.mount+at))
		}
	}
	return least
}

func hasController(list, want string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if name == want {
			return true
		}
	}
	return false
}

// left is what is left of one group's limit.
func (g groups) left(root fs.FS, dir string) uint64 {
	limit := number(root, path.Join(dir, g.limit))
	used := number(root, path.Join(dir, g.usage))
	if limit == unlimited || used == unlimited {
		return limit
	}
	for line := range lines(root, path.Join(dir, "memory.stat")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == g.inactive {
			if back, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				used -= min(used, back)
			}
		}
	}
	return limit - min(limit, used)
}

// inAddressSpace is what is left of the process's limit of addresses (ulimit -v).
func inAddressSpace(root fs.FS) uint64 {
	limit := uint64(unlimited)
	for line := range lines(root, "proc/self/limits") {
		if rest, ok := strings.CutPrefix(line, "Max address space"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				limit = parse(f[0])
			}
		}
	}
	for line := range lines(root, "proc/self/status") {
		if f := strings.Fields(line); limit != unlimited && len(f) >= 2 && f[0] == "VmSize:" {
			if kib := parse(f[1]); kib <= unlimited>>10 {
				limit -= min(limit, kib<<10)
			}
		}
	}
	return limit
}

// number reads a file with one number.
func number(root fs.FS, name string) uint64 {
	for line := range lines(root, name) {
		return parse(strings.TrimSpace(line))
	}
	return unlimited
}

// parse returns a number, or unlimited for any other word, such as "max".
func parse(word string) uint64 {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return unlimited
	}
	return n
}

// lines yields the lines of a file; none if it can't be read.
func lines(root fs.FS, name string) func(yield func(string) bool) {
	text, err := fs.ReadFile(root, strings.TrimPrefix(name, "/"))
	if err != nil {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(string(text), "\n")
}
