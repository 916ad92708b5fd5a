package doctor_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// Nothing is asked twice that does not change meanwhile: servers count requests.
func TestFewRequests(t *testing.T) {
	t.Parallel()
	t.Run("people's own projects", func(t *testing.T) {
		t.Parallel()
		newClinic(t, simulator.HelloWorldOptions{}).ready().asksAtMost(28, 6)
	})
	t.Run("an example", func(t *testing.T) {
		t.Parallel()
		newExampleClinic(t, setup.Bash).asksAtMost(36, 8)
	})
}

// asksAtMost counts the requests for one pipeline and for one more.
func (c *clinic) asksAtMost(first, further int32) {
	c.t.Helper()
	var requests atomic.Int32
	c.wrap(&c.wrapOctopus, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if r.Method != http.MethodGet {
				c.t.Errorf("doctor sent %s %s", r.Method, r.URL)
			}
			next.ServeHTTP(w, r)
		})
	})
	c.examine()
	one := requests.Swap(0)
	if one > first {
		c.t.Errorf("%d requests for one pipeline", one)
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
	if two := requests.Load(); two > one+further {
		c.t.Errorf("%d requests for one pipeline, %d for two", one, two)
	}
}
