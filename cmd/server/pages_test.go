package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"regrow/internal/client"
)

// newPages is a server of successive answers, and after them of JSON that is
// none of regrow's.
func newPages(t *testing.T, pages []client.RunList) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if len(pages) == 0 {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte(`{}`)) // the command may be gone
			return
		}
		page := pages[0]
		pages = pages[1:]
		if err := json.NewEncoder(w).Encode(page); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}
