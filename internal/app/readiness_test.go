package app_test

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"regrow/internal/app"
)

// hush is the way to a Postgres that can fall silent: connections stand, and
// nothing comes over them.
type hush struct {
	url string
	// open is locked while it is silent.
	open sync.RWMutex
}

func newHush(t *testing.T, database string) *hush {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	settings, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	through := url.URL{
		Scheme: "postgres", User: url.UserPassword(settings.User, settings.Password), Host: listener.Addr().String(),
		Path: settings.Database, RawQuery: "sslmode=disable",
	}
	h := &hush{url: through.String()}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			network, address := pgconn.NetworkAddress(settings.Host, settings.Port)
			far, err := (&net.Dialer{}).DialContext(t.Context(), network, address)
			if err != nil {
				_ = near.Close()
				continue
			}
			go h.pass(far, near)
			go h.pass(near, far)
		}
	}()
	return h
}

func (h *hush) pass(to, from net.Conn) {
	defer to.Close()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		h.open.RLock()
		_, failed := to.Write(piece[:n])
		h.open.RUnlock()
		if err != nil || failed != nil {
			return
		}
	}
}

// logged is a log for the test to read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns the lines that hold all of the words.
func (l *logged) lines(words ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.text.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// A database that says nothing makes the process unready within seconds, and the
// log says why, once.
func TestReadinessOfASilentDatabase(t *testing.T) {
	t.Parallel()
	wire := newHush(t, emptyDatabase(t))
	o, log := options(configure(t, "127.0.0.1:0", wire.url)), &logged{}
	o.Logger = zerolog.New(log).Level(zerolog.InfoLevel)
	regrow, err := app.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := regrow.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	waitFor(t, "it is ready", func() bool { return strings.HasPrefix(get(t, regrow.URL()+"/readyz"), "200") })

	wire.open.Lock()
	prober := &http.Client{Timeout: 30 * time.Second}
	var probes sync.WaitGroup
	for range 3 {
		probes.Go(func() {
			answer, err := prober.Get(regrow.URL() + "/readyz")
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("answered %d", answer.StatusCode)
			}
		})
	}
	probes.Wait()
	if told := log.lines("not ready", `"check":"database"`, "deadline exceeded"); len(told) != 1 {
		t.Errorf("the log tells of the silence %d times: %q", len(told), told)
	}
	if told := log.lines("/readyz"); len(told) > 0 {
		t.Errorf("probes are in the log: %q", told)
	}
	wire.open.Unlock()
	waitFor(t, "it is ready again", func() bool { return strings.HasPrefix(get(t, regrow.URL()+"/readyz"), "200") })
	if told := log.lines("ready again", `"check":"database"`); len(told) != 1 {
		t.Errorf("the log tells of its end %d times", len(told))
	}
}
