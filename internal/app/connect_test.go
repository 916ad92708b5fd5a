package app

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// silent is a server that takes connections and whatever comes over them, and
// never says a word.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
		}
	}()
	return listener.Addr().String()
}

// A server that takes connections and answers none does not keep regrow from the
// next one in database.url.
func TestConnectTimeIsLimited(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]time.Duration{
		"postgres://regrow@" + silent(t) + "/regrow?sslmode=disable":                   connectTime,
		"postgres://regrow@" + silent(t) + "/regrow?sslmode=disable&connect_timeout=1": time.Second,
	} {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		findWay(config)
		began := time.Now()
		_, err = pgx.ConnectConfig(context.Background(), config)
		if took := time.Since(began); err == nil || took < want || took > want+10*time.Second {
			t.Errorf("%s: gave up after %s, want %s (%v)", url, took, want, err)
		}
	}
}

func TestWhatIsAskedWantsAnAnswer(t *testing.T) {
	t.Parallel()
	const patience = 200 * time.Millisecond
	connect := func() net.Conn {
		config := &pgx.ConnConfig{}
		findWay(config)
		wantAnswers(config, patience)
		conn, err := config.DialFunc(context.Background(), "tcp", silent(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	ask := func(conn net.Conn) (time.Duration, error) {
		began := time.Now()
		if _, err := conn.Write([]byte("?")); err != nil {
			t.Error(err)
		}
		_, err := conn.Read(make([]byte, 1))
		return time.Since(began), err
	}

	conn := connect()
	for range 2 { // patience begins anew
		if took, err := ask(conn); !errors.Is(err, os.ErrDeadlineExceeded) || took < patience {
			t.Errorf("gave up after %s: %v", took, err)
		}
	}
	sooner := connect()
	if err := sooner.SetDeadline(time.Now().Add(patience / 4)); err != nil {
		t.Fatal(err)
	}
	if took, err := ask(sooner); !errors.Is(err, os.ErrDeadlineExceeded) || took >= patience {
		t.Errorf("its user's own deadline passed, and it gave up after %s: %v", took, err)
	}
	later := connect()
	if err := later.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if took, err := ask(later); !errors.Is(err, os.ErrDeadlineExceeded) || took < patience {
		t.Errorf("with a later deadline of its user's, it gave up after %s: %v", took, err)
	}
}
