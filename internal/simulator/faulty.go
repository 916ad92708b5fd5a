package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// withFaults lets requests go wrong on their way to the handler. The control routes are spared,
// so that a fault which matches everything can be removed.
func (s *Server) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(strings.ToLower(strings.TrimPrefix(r.URL.Path, s.options.BasePath)), controlPrefix) {
			next.ServeHTTP(w, r)
			return
		}
		fault := s.faults.match(r)
		if fault == nil {
			next.ServeHTTP(w, r)
			return
		}
		if fault.Delay > 0 || fault.Late > 0 {
			// A server notices that the client has gone only when it has read all.
			if !readAhead(r) || !waitFor(r, fault.Delay) {
				return
			}
		}
		switch {
		case fault.Late > 0:
			s.happenLate(next, r, fault.Late)
			fault.breakOff(w)
		case fault.DropBefore:
			panic(http.ErrAbortHandler)
		case fault.DropAfter:
			next.ServeHTTP(httptest.NewRecorder(), r)
			fault.breakOff(w)
		case fault.Truncate:
			truncate(w, r, next)
		case fault.Status != 0:
			fault.write(w)
		default: // only a delay
			next.ServeHTTP(w, r)
		}
	})
}

// readAhead reads the request's body, and says whether it has arrived whole.
func readAhead(r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil
}

// waitFor waits in real time, and says whether the client is still there.
func waitFor(r *http.Request, delay time.Duration) bool {
	if delay <= 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// happenLate lets the effect happen after a while, when nobody waits for it.
func (s *Server) happenLate(next http.Handler, r *http.Request, delay time.Duration) {
	late := r.Clone(s.ctx)
	s.work.Go(func() {
		if waitFor(late, delay) {
			next.ServeHTTP(httptest.NewRecorder(), late)
		}
	})
}

// breakOff answers the fault's status, or nothing at all.
func (f *Fault) breakOff(w http.ResponseWriter) {
	if f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	f.write(w)
}

// write sends the fault's answer.
func (f *Fault) write(w http.ResponseWriter) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	body := f.Body
	if body == "" && !f.EmptyBody {
		text, err := json.Marshal(document{"ErrorMessage": http.StatusText(f.Status) + " (This failure was asked for.)"})
		if err != nil {
			panic("simulator: " + err.Error())
		}
		body = string(text)
	}
	if f.EmptyBody {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(f.Status)
		return
	}
	if strings.HasPrefix(body, "<") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	} else {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(body)) // a client that has gone away needs no answer
}

// truncate promises the whole answer and sends half of it.
func truncate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	recorder := httptest.NewRecorder()
	next.ServeHTTP(recorder, r)
	body := recorder.Body.Bytes()
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(body[:len(body)/2])
	panic(http.ErrAbortHandler)
}
