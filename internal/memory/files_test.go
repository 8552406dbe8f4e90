package memory

import (
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func TestAvailableIn(t *testing.T) {
	const meminfo = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing known": {nil, 0},
		"old kernel":    {map[string]string{"proc/meminfo": "MemTotal: 16 kB\n"}, 0},
		"junk":          {map[string]string{"proc/meminfo": "MemAvailable: many kB\nMemAvailable:\n\x00"}, 0},
		"plain":         {map[string]string{"proc/meminfo": meminfo}, 8000000 << 10},
		"version 2": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/user/job\n",
			"sys/fs/cgroup/user/job/memory.max": "max\n", "sys/fs/cgroup/user/job/memory.current": "5\n",
			"sys/fs/cgroup/user/memory.max": "1000\n", "sys/fs/cgroup/user/memory.current": "700\n",
			"sys/fs/cgroup/user/memory.stat": "anon 500\ninactive_file 100\n",
		}, 400},
		"a container's own": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "2000\n", "sys/fs/cgroup/memory.current": "500\n",
		}, 1500},
		"used up": {map[string]string{
			"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": "2000\n", "sys/fs/cgroup/memory.current": "2500\n",
		}, 1},
		"version 1": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "9:cpu,cpuacct:/x\n5:memory:/slurm/job_3\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":             "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":             "900\n",
			"sys/fs/cgroup/memory/slurm/job_3/memory.limit_in_bytes": "4000\n",
			"sys/fs/cgroup/memory/slurm/job_3/memory.usage_in_bytes": "3000\n",
			"sys/fs/cgroup/memory/slurm/job_3/memory.stat":           "total_inactive_file 250\n",
		}, 1250},
		"ulimit -v": {map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax address space         4096000              unlimited            bytes\n",
			"proc/self/status": "Name:\tsteppe\nVmSize:\t    1000 kB\n",
		}, 4096000 - 1000<<10},
		"no ulimit": {map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/limits": "Max address space         unlimited            unlimited            bytes\n",
			"proc/self/status": "VmSize:\t    1000 kB\n",
		}, 8000000 << 10},
	} {
		root := fstest.MapFS{}
		for path, text := range c.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		assert.Equal(t, c.want, availableIn(root), name)
	}
}

func TestAvailable(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		t.Skip("may be unknown here")
	}
	assert.Greater(t, Available(), uint64(1<<20), "a test that runs has so much")
}
