package handlers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// unread asks for something and reads the first line of the answer, and no more.
func (s *server) unread(path string, headers ...string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: regrow\r\nAuthorization: Bearer %s\r\n", path, viewerToken)
	fmt.Fprintf(conn, "%s\r\n", strings.Join(append(headers, ""), "\r\n"))
	if line, err := bufio.NewReaderSize(conn, 16).ReadString(' '); err != nil || line != "HTTP/1.1 " {
		s.t.Fatalf("the answer begins with %q (%v)", line, err)
	}
	return conn
}

// A client that does not take its answer is cut off: the server is left with no
// request, and says nothing of a database that were away.
func TestReaderWhoTakesNothingIsCutOff(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*server, string) net.Conn{
		"an answer": func(s *server, id string) net.Conn { return s.unread("/api/v1/deliveries/" + id) },
		"a stream": func(s *server, id string) net.Conn {
			return s.unread("/api/v1/runs/"+id+"/events", "Accept: text/event-stream")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(d *Deps) { d.Timing.Write = 100 * time.Millisecond })
			run := s.start("shop")
			id := run.DeliveryID.String()
			if name == "a stream" {
				id = run.ID.String()
			}
			// More than what lies between the two ends can hold.
			s.exec("update deliveries set body = convert_to(repeat('x', 25000000), 'UTF8') where id = $1", run.DeliveryID)
			s.exec("insert into run_events (run_id, at, kind, stage, message, data) select $1, now(), 'note', 'provision', repeat('x', 1000000), '{}' from generate_series(1, 25)", run.ID)
			open(s, id)
			patience, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := s.Config.Shutdown(patience); err != nil { // waits for the requests under way
				t.Errorf("the request is still under way: %v", err)
			}
			if log := s.log.String(); strings.Contains(log, "database") || strings.Contains(log, `"problem"`) {
				t.Errorf("the log is %s", log)
			}
		})
	}
}

// A slow reader gets all of a large answer, also when that takes longer than one
// may take nothing of it.
func TestSlowReaderGetsAllOfItsAnswer(t *testing.T) {
	t.Parallel()
	const patience, size, swallow = 2 * time.Second, 25_000_000, 1_000_000
	s := serve(t, func(d *Deps) { d.Timing.Write = patience })
	run := s.start("shop")
	s.exec("update deliveries set body = convert_to(repeat('x', $2::int), 'UTF8') where id = $1", run.DeliveryID, size)
	request := s.request(http.MethodGet, "/api/v1/deliveries/"+run.DeliveryID.String(), "")
	request.Header.Set("Authorization", "Bearer "+viewerToken)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	began := time.Now()
	pause := time.NewTicker(patience / 20)
	defer pause.Stop()
	for read := 0; read < size; read += swallow {
		if _, err := io.CopyN(io.Discard, answer.Body, swallow); err != nil {
			t.Fatalf("it broke off after %d bytes and %s: %v", read, time.Since(began), err)
		}
		<-pause.C
	}
	if took := time.Since(began); took < patience {
		t.Errorf("it took no longer than %s: the test proves nothing", took)
	}
}
