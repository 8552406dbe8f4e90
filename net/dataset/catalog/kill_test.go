package catalog

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asGet turns the test binary into a process that gets the set archived from a server into a cache
// folder.
const asGet = "STEPPE_TEST_GET"

func TestMain(m *testing.M) {
	var url, cache string
	if n, _ := fmt.Sscan(os.Getenv(asGet), &url, &cache); n == 2 {
		if _, err := archived(url).Get(context.Background(), Options{Dir: cache}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killsVariable is the environment variable for more kills.
const killsVariable = "STEPPE_TEST_KILLS"

// Whenever a process is killed, the next one goes on, and in the end there is the data set and
// nothing else.
func TestGetKilled(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	if err := exec.Command(self, "-test.list=^$").Run(); err != nil {
		t.Skip("no process can be started: ", err)
	}
	kills := 10
	if text := os.Getenv(killsVariable); text != "" {
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	server := serve(t, func(w http.ResponseWriter, r *http.Request, name string, content []byte) {
		ranges(&slow{w}, r, name, content)
	})
	random := rand.New(rand.NewPCG(1, 2))
	var cache string
	resumed, whole := 0, 0
	for kill := range kills {
		if cache == "" {
			cache = t.TempDir()
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), asGet+"="+server.url()+" "+cache)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		time.AfterFunc(time.Duration(random.IntN(80))*time.Millisecond, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		require.Empty(t, stderr.String(), "kill %d", kill)
		if err == nil { // it was faster
			whole++
			require.Equal(t, wholeArchived, tree(t, cache), "kill %d", kill)
			cache = ""
		} else if fileSize(cache+"/archived.partial/a.tar.gz.partial") > 0 {
			resumed++
		}
	}
	t.Logf("%d kills: %d left a part of the download, %d came too late", kills, resumed, whole)
	if cache != "" {
		require.NoError(t, get(t, archived(server.url()), cache, Options{}))
		assert.Equal(t, wholeArchived, tree(t, cache))
	}
}

// slow makes the transfer of a file take some 30 ms.
type slow struct{ http.ResponseWriter }

func (s *slow) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var written int
		written, err = s.ResponseWriter.Write(p[n:min(len(p), n+10_000)])
		s.ResponseWriter.(http.Flusher).Flush()
		n += written
		time.Sleep(time.Millisecond)
	}
	return n, err
}
