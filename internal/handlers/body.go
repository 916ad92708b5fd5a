package handlers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// readBody reads a request's body of at most limit bytes, in the time that
// bodies may take.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	control := http.NewResponseController(w)
	// Not every ResponseWriter can do it; then the server's own timeouts hold.
	_ = control.SetReadDeadline(time.Now().Add(h.Timing.Body))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	_ = control.SetReadDeadline(time.Time{})
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return nil, err
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problemf(requestTimeout, "the body did not arrive within %s; send it again", h.Timing.Body)
	case err != nil:
		return nil, problemf(badRequest, "the body did not arrive whole").because(err)
	}
	return body, nil
}

// setBody puts a body that was read back into its request.
func setBody(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
}
