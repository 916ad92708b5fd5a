package doctor_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"regrow/internal/simulator"
)

// Nothing is asked twice that does not change meanwhile: servers count requests.
func TestFewRequests(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	var requests atomic.Int32
	c.wrap(&c.wrapOctopus, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if r.Method != http.MethodGet {
				t.Errorf("doctor sent %s %s", r.Method, r.URL)
			}
			next.ServeHTTP(w, r)
		})
	})
	c.examine()
	one := requests.Swap(0)
	if one > 28 {
		t.Errorf("%d requests for one pipeline", one)
	}
	c.text += `
  - name: hello-world-again
    source: github
    repository: acme/hello
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.1.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.1.{run}"}
`
	c.examine()
	if two := requests.Load(); two > one+6 {
		t.Errorf("%d requests for one pipeline, %d for two", one, two)
	}
}
