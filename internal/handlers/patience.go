package handlers

import (
	"fmt"
	"net/http"
	"time"
)

// patient cuts a client off that takes nothing of its answer: it would hold the
// request and all of the answer in memory until its connection dies. How long the
// whole takes is not limited, because streams outlive any limit, and slow readers
// do take a large answer.
func (h *handler) patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&patientWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: h.Timing.Write}, r)
	})
}

type patientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// unreadError is that a client did not take its answer.
type unreadError struct{ cause error }

func (e unreadError) Error() string {
	return fmt.Sprintf("the answer could not be written: %v", e.cause)
}

func (e unreadError) Unwrap() error { return e.cause }

// piece is how much of an answer is given its own time.
const piece = 64 << 10

// Write implements io.Writer, giving each piece its own time.
func (p *patientWriter) Write(answer []byte) (written int, err error) {
	for first := true; first || written < len(answer); first = false {
		_ = p.control.SetWriteDeadline(time.Now().Add(p.patience)) // where it cannot be set, the server's own holds
		n, err := p.ResponseWriter.Write(answer[written:min(written+piece, len(answer))])
		written += n
		if err != nil {
			return written, unreadError{err}
		}
	}
	return written, nil
}

// Unwrap lets http.ResponseController find what it controls.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
