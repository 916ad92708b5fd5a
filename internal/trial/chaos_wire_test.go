//go:build unix

package trial

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// wire is a TCP connection to somewhere, through a proxy that can spoil it. Its
// own address stays, whatever becomes of what is behind it.
type wire struct {
	tb       testing.TB
	hub      *toxiproxy.ApiServer
	address  string
	upstream string
	proxy    *toxiproxy.Proxy
}

// newWire begins with a wire that is in order.
func newWire(tb testing.TB, upstream string) *wire {
	tb.Helper()
	w := &wire{
		tb: tb, address: quietAddress(tb), upstream: upstream,
		hub: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
	}
	w.mend()
	tb.Cleanup(w.cut)
	return w
}

// quietAddress is one on which nobody listens, with a port that no system gives
// to outgoing connections: a wire leaves it for moments and wants it back.
func quietAddress(tb testing.TB) string {
	tb.Helper()
	const lowest, count = 20_000, 10_000
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(count))
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()
			return address
		}
	}
	tb.Fatal("every port is taken")
	return ""
}

// cut breaks all connections; new ones are refused.
func (w *wire) cut() {
	if w.proxy != nil {
		w.proxy.Stop()
		w.proxy = nil
	}
}

// mend breaks all connections; new ones are as they should be.
func (w *wire) mend() { w.become() }

// point breaks all connections and leads new ones to another place.
func (w *wire) point(upstream string) {
	w.upstream = upstream
	w.become()
}

// become breaks all connections and gives new ones these defects. Each defect is
// a toxic in toxiproxy's words, as JSON.
func (w *wire) become(toxics ...string) {
	w.tb.Helper()
	w.cut()
	// A program that is just being started holds the old listener for a moment.
	for deadline := time.Now().Add(10 * time.Second); ; {
		w.proxy = toxiproxy.NewProxy(w.hub, "wire", w.address, w.upstream)
		for _, toxic := range toxics {
			if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				w.tb.Errorf("the toxic %s: %v", toxic, err)
			}
		}
		err := w.proxy.Start()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.tb.Errorf("starting the proxy on %s: %v", w.address, err)
			return
		}
		rest(w.tb.Context(), 10*time.Millisecond)
	}
}

// toxic describes a defect: of which kind, in which direction ("upstream" is what
// the client sends), and for which part of the connections.
func toxic(kind, direction string, part float64, attributes string) string {
	return fmt.Sprintf(`{"name": "%s %s", "type": %[1]q, "stream": %[2]q, "toxicity": %g, "attributes": {%s}}`, kind, direction, part, attributes)
}

// quiet lets everything vanish on the connections that there are, and on new ones.
func (w *wire) quiet() {
	w.tb.Helper()
	for _, toxic := range silent() {
		if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			w.tb.Errorf("the toxic %s: %v", toxic, err)
		}
	}
}

// silent lets everything that is sent vanish, as a network does that has lost its
// way: connections stay open and nobody ever answers.
func silent() []string {
	return []string{toxic("timeout", "upstream", 1, `"timeout": 0`), toxic("timeout", "downstream", 1, `"timeout": 0`)}
}

func TestWire(t *testing.T) {
	t.Parallel()
	server := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	w := newWire(t, server("one"))
	ask := func() (string, error) {
		client := http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + w.address)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		var name string
		_, err = fmt.Fscan(answer.Body, &name)
		return name, err
	}
	if got, err := ask(); got != "one" {
		t.Errorf("through the wire: %q, %v", got, err)
	}
	w.become(silent()...)
	if got, err := ask(); !isTimeout(err) {
		t.Errorf("through a silent wire: %q, %v", got, err)
	}
	w.cut()
	if got, err := ask(); err == nil || isTimeout(err) {
		t.Errorf("through a wire that is cut: %q, %v", got, err)
	}
	w.point(server("two"))
	if got, err := ask(); got != "two" {
		t.Errorf("after it was led elsewhere: %q, %v", got, err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // http.Client returns it unwrapped
	return ok && timeout.Timeout()
}

// hostOf is the host and port of an address.
func hostOf(tb testing.TB, address string) string {
	tb.Helper()
	return parse(tb, address).Host
}

// withHost is an address with another host and port.
func withHost(tb testing.TB, address, host string) string {
	tb.Helper()
	u := parse(tb, address)
	u.Host = host
	return u.String()
}

func parse(tb testing.TB, address string) *url.URL {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// quietPort is the port of a quiet address.
func quietPort(tb testing.TB) int {
	tb.Helper()
	_, text, err := net.SplitHostPort(quietAddress(tb))
	if err != nil {
		tb.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatal(err)
	}
	return port
}
