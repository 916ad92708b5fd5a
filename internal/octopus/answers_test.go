package octopus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"regrow/internal/octopus"
)

// outcome is how an answer is to be sorted.
type outcome int

const (
	success outcome = iota
	transient
	permanent
	notFound
)

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return success
	case octopus.IsTransient(err):
		return transient
	case octopus.IsNotFound(err):
		return notFound
	}
	return permanent
}

func TestEveryStatusIsSortedOnce(t *testing.T) {
	t.Parallel()
	const html = "<html><body>Bad Gateway</body></html>"
	octopusError := func(message string, details ...string) string {
		if len(details) == 0 {
			return fmt.Sprintf(`{"ErrorMessage":%q}`, message)
		}
		return fmt.Sprintf(`{"ErrorMessage":%q,"Errors":["%s"]}`, message, strings.Join(details, `","`))
	}
	tests := []struct {
		status int
		body   string
		get    outcome
		says   []string
	}{
		{200, machineJSON("Machines-1"), success, nil},
		{200, "", transient, []string{"empty body"}},
		{200, " \r\n", transient, []string{"empty body"}},
		{200, html, transient, []string{"not the JSON"}},
		{200, `{"Id":"Machines-1"`, transient, []string{"not the JSON"}},
		{200, `null`, transient, []string{"empty document"}},
		{200, `{}`, transient, []string{"empty document"}},
		{200, `[]`, transient, []string{"not the JSON"}},
		{200, `{"Id":7}`, transient, []string{"not the JSON"}},
		{201, machineJSON("Machines-1"), success, nil},
		{202, "", transient, []string{"202", "empty body"}},
		{204, "", transient, []string{"204", "empty body"}},
		{300, "", permanent, []string{"300"}},
		{304, "", permanent, []string{"304"}},
		{400, octopusError("There was a problem with your request.", "The release is too old.", "So is the step."), permanent, []string{"400 Bad Request: The release is too old. So is the step"}},
		{400, octopusError("Something is odd"), permanent, []string{"Something is odd"}},
		{400, html, permanent, []string{"not from Octopus"}},
		{400, "", permanent, []string{"400"}},
		{401, octopusError("You must be logged in to request this resource."), permanent, []string{"You must be logged in", "api_key", "http://127.0.0.1"}},
		{401, "", permanent, []string{"api_key"}},
		{403, octopusError("You do not have permission", "MachineView is needed"), permanent, []string{"MachineView", "permission"}},
		{403, html, permanent, []string{"403"}},
		{404, octopusError("The resource 'Machines-1' was not found."), notFound, []string{"Machines-1"}},
		{404, `{"ErrorMessage":"Not here","Errors":[]}`, notFound, nil},
		{404, html, transient, []string{"not from Octopus", "url"}},
		{404, "", transient, []string{"404"}},
		{404, `{"message":"no Route matched"}`, transient, []string{"404"}},
		{405, octopusError("No"), permanent, nil},
		{408, "", transient, nil},
		{409, octopusError("Conflict"), permanent, nil},
		{418, "", permanent, nil},
		{422, octopusError("No"), permanent, nil},
		{425, "", transient, nil},
		{429, "", transient, []string{"429 Too Many Requests"}},
		{429, octopusError("Slow down"), transient, []string{"Slow down"}},
		{451, "", permanent, nil},
		{500, octopusError("Object reference not set"), transient, []string{"Object reference"}},
		{500, "", transient, nil},
		{501, "", transient, nil},
		{502, html, transient, []string{"502 Bad Gateway", "not from Octopus (text/html)"}},
		{503, "", transient, nil},
		{503, html, transient, nil},
		{504, "", transient, nil},
		{520, html, transient, nil},
		{600, "", transient, []string{"600"}},
		{999, "", transient, nil},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %.12s", tt.status, tt.body), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			answer := func(w http.ResponseWriter, _ *http.Request) {
				kind := "application/json"
				if tt.body == html {
					kind = "text/html"
				}
				w.Header().Set("Content-Type", kind)
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}
			f.on("/api/Spaces-1/machines/Machines-1", answer)
			f.on("POST /api/Spaces-1/deployments", answer)
			f.says("GET /api/Spaces-1/releases/Releases-1/deployments", listOf())
			client := f.client()

			_, err := client.Target(t.Context(), "Machines-1")
			if got := outcomeOf(err); got != tt.get {
				t.Fatalf("reading gives %d (%v), want %d", got, err, tt.get)
			}
			if err != nil {
				wantPhrases(t, err, tt.says...)
				wantPhrases(t, err, "read target Machines-1", `"default"`, f.URL)
			}

			_, created, err := client.EnsureDeployment(t.Context(), octopus.DeploymentSpec{ReleaseID: "Releases-1", EnvironmentID: "Environments-1", Marker: "[run]"})
			want := tt.get
			if want == success {
				want = transient // a machine is no deployment: it has no TaskId
			}
			if tt.status == 429 && octopus.RetryAfter(err) > 0 {
				t.Error("a pause was made up")
			}
			if got := outcomeOf(err); got != want || created {
				t.Fatalf("creating gives %d, created %v (%v), want %d", got, created, err, want)
			}

			want = tt.get
			switch {
			case tt.status < 300 && tt.body != html && tt.body != `{"Id":"Machines-1"`, tt.get == notFound:
				want = success
			}
			if got := outcomeOf(client.DeleteTarget(t.Context(), "Machines-1")); got != want {
				t.Fatalf("deleting gives %d, want %d", got, want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		status   int
		header   string
		low, top time.Duration
	}{
		{429, "7", 7 * time.Second, 7 * time.Second},
		{503, " 120 ", 2 * time.Minute, 2 * time.Minute},
		{503, in(90 * time.Second), 80 * time.Second, 90 * time.Second},
		{503, in(-time.Hour), 0, 0},
		{503, "", 0, 0},
		{503, "soon", 0, 0},
		{503, "-5", 0, 0},
		{503, "9223372036854775807", time.Hour, time.Hour},
		{503, "99999999999999999999999", 0, 0},
		{503, in(48 * time.Hour), time.Hour, time.Hour},
		{400, "7", 0, 0},
	}
	for _, tt := range tests {
		f := newFake(t)
		f.on("GET /api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tt.header)
			w.WriteHeader(tt.status)
		})
		_, err := f.client().Target(t.Context(), "Machines-1")
		if got := octopus.RetryAfter(err); got < tt.low || got > tt.top {
			t.Errorf("%d with Retry-After %q: got %s, want %s to %s", tt.status, tt.header, got, tt.low, tt.top)
		}
	}
	if got := octopus.RetryAfter(errors.New("else")); got != 0 {
		t.Errorf("another error has the pause %s", got)
	}
}

func TestTooManyRequestsHoldsEverybodyBack(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	client := f.client()
	_, err := client.Target(t.Context(), "Machines-1")
	wantTransient(t, err)
	sent := f.count()
	_, err = client.Environment(t.Context(), "Production")
	wantTransient(t, err)
	if left := octopus.RetryAfter(err); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the second caller is to wait %s, want about 10 minutes", left)
	}
	if f.count() != sent {
		t.Error("a request was sent although the server asked for a pause")
	}
}

func TestAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, _ *http.Request) {
		body := machineJSON("Machines-1")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+10))
		io.WriteString(w, body)
	})
	f.on("GET /api/Spaces-1/machines/Machines-2", func(w http.ResponseWriter, _ *http.Request) {
		body := `{"ErrorMessage":"Gone for good"}`
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+10))
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, body)
	})
	f.on("GET /api/Spaces-1/machines/Machines-3", func(w http.ResponseWriter, _ *http.Request) { breakOff(w) })
	client := f.client()
	_, err := client.Target(t.Context(), "Machines-1")
	wantTransient(t, err)
	wantPhrases(t, err, "broke off")
	_, err = client.Target(t.Context(), "Machines-2")
	wantPermanent(t, err, "Gone for good")
	_, err = client.Target(t.Context(), "Machines-3")
	wantTransient(t, err)
}

func TestServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	client := f.client()
	f.Close()
	_, err := client.Environment(t.Context(), "Production")
	wantTransient(t, err)
	wantPhrases(t, err, "connection refused", f.URL)
}

func TestHangingServer(t *testing.T) {
	t.Parallel()
	hanging := func(t *testing.T, headersFirst bool) (*fake, chan struct{}) {
		t.Helper()
		f := newFake(t)
		reached := make(chan struct{}, 1)
		over := make(chan struct{})
		t.Cleanup(func() { close(over) }) // before the server's Close, which waits for handlers
		f.on("GET /api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, _ *http.Request) {
			if headersFirst {
				io.WriteString(w, `{"Id":`)
				http.NewResponseController(w).Flush()
			}
			reached <- struct{}{}
			<-over
		})
		return f, reached
	}
	for _, headersFirst := range []bool{false, true} {
		t.Run(fmt.Sprintf("own limit, headers first %v", headersFirst), func(t *testing.T) {
			t.Parallel()
			f, _ := hanging(t, headersFirst)
			client := f.client(func(c *octopus.Config) { c.Timeout = 150 * time.Millisecond })
			_, err := client.Target(t.Context(), "Machines-1")
			wantTransient(t, err)
			wantPhrases(t, err, "within 150ms")
		})
		t.Run(fmt.Sprintf("deadline, headers first %v", headersFirst), func(t *testing.T) {
			t.Parallel()
			f, _ := hanging(t, headersFirst)
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			_, err := f.client().Target(ctx, "Machines-1")
			wantTransient(t, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is not told as a passed deadline", err)
			}
		})
		t.Run(fmt.Sprintf("cancelled, headers first %v", headersFirst), func(t *testing.T) {
			t.Parallel()
			f, reached := hanging(t, headersFirst)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-reached
				cancel()
			}()
			_, err := f.client().Target(ctx, "Machines-1")
			if !isPlainlyCancelled(err) {
				t.Errorf("got %v, want context.Canceled as it is", err)
			}
		})
	}
}

// isPlainlyCancelled tells whether the caller's own cancellation came through
// as it is, and not as a failure of Octopus.
func isPlainlyCancelled(err error) bool {
	_, wrapped := errors.AsType[*octopus.Error](err)
	return errors.Is(err, context.Canceled) && !wrapped
}

func TestKeyStaysAtHomeOnRedirect(t *testing.T) {
	t.Parallel()
	visited := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visited <- r.Header.Get("X-Octopus-ApiKey")
		reply(w, http.StatusOK, machineJSON("Machines-1"))
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		f := newFake(t)
		f.on("/api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/sign-in?state=hidden", status)
		})
		client := f.client()
		_, err := client.Target(t.Context(), "Machines-1")
		wantPermanent(t, err, fmt.Sprint(status), elsewhere.URL+"/sign-in", "url")
		if strings.Contains(err.Error(), "hidden") {
			t.Errorf("the error %q repeats the redirect's query", err)
		}
		wantPermanent(t, client.DeleteTarget(t.Context(), "Machines-1"))
	}
	if len(visited) > 0 {
		t.Errorf("the other host was asked with the API key %q", <-visited)
	}
}

func TestRedirectAtHome(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("/api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/moved", http.StatusFound)
	})
	f.says("/moved", machineJSON("Machines-1"))
	f.on("GET /api/Spaces-1/machines/Machines-2", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	})
	client := f.client()
	if _, err := client.Target(t.Context(), "Machines-1"); err != nil {
		t.Errorf("a redirect to the same host is not followed: %v", err)
	}
	// Followed, a DELETE would become a GET and look like a success.
	wantPermanent(t, client.DeleteTarget(t.Context(), "Machines-1"), "302")
	_, err := client.Target(t.Context(), "Machines-2")
	wantPermanent(t, err, "302")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestKeyIsInNoError(t *testing.T) {
	t.Parallel()
	echo := func(status int) roundTripper {
		return func(r *http.Request) (*http.Response, error) {
			key := r.Header.Get("X-Octopus-ApiKey")
			return &http.Response{
				StatusCode: status, Request: r,
				Header: http.Header{"Content-Type": {key}, "Location": {"https://elsewhere.example/" + key}},
				Body:   io.NopCloser(strings.NewReader(fmt.Sprintf(`{"ErrorMessage":"%s is odd","Errors":["%s"]}`, key, key))),
			}, nil
		}
	}
	transports := map[string]roundTripper{
		"failing": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("proxy refuses header %s", r.Header.Get("X-Octopus-ApiKey"))
		},
	}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 500, 503} {
		transports[fmt.Sprint(status)] = echo(status)
	}
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := from(t, transport).Environment(t.Context(), "Production "+testKey)
			if err == nil {
				t.Fatal("no error")
			}
			for ; err != nil; err = errors.Unwrap(err) {
				for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
					if text := fmt.Sprintf(verb, err); strings.Contains(text, testKey) {
						t.Errorf("%s of the error holds the key: %s", verb, text)
					}
				}
			}
		})
	}
}

// from is a client whose every answer is the transport's.
func from(t *testing.T, transport roundTripper) *octopus.Client {
	t.Helper()
	client, err := octopus.New(octopus.Config{URL: "https://octopus.example.com", APIKey: testKey, Space: "Default", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestKeyDoesNotLeaveEncryption(t *testing.T) {
	t.Parallel()
	client := from(t, func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme != "https" {
			t.Errorf("%s was asked with the API key", r.URL)
		}
		return &http.Response{StatusCode: http.StatusMovedPermanently, Request: r, Body: http.NoBody,
			Header: http.Header{"Location": {"http://octopus.example.com/api/spaces"}}}, nil
	})
	_, err := client.Environment(t.Context(), "Production")
	wantPermanent(t, err, "301", "http://octopus.example.com/api/spaces")
}

// blanks is an endless answer.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAnswerWithoutEnd(t *testing.T) {
	t.Parallel()
	client := from(t, func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(io.LimitReader(blanks{}, 40<<20))}, nil
	})
	_, err := client.Environment(t.Context(), "Production")
	wantTransient(t, err)
	wantPhrases(t, err, "more than")
}

func TestLongWordsAreCut(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api/Spaces-1/machines/Machines-1", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusBadRequest, fmt.Sprintf(`{"ErrorMessage":"First of all%s"}`, strings.Repeat(" ü", 5000)))
	})
	_, err := f.client().Target(t.Context(), "Machines-1")
	wantPermanent(t, err, "First of all", "…")
	if n := len(err.Error()); n > 1500 {
		t.Errorf("the error has %d bytes", n)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[octopus.Kind]string{octopus.Transient: "transient", octopus.Permanent: "permanent", 7: "Kind(7)"} {
		if got := kind.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if octopus.IsTransient(errors.New("else")) || octopus.IsTransient(nil) || octopus.IsNotFound(nil) {
		t.Error("an error that is not of this package is sorted")
	}
}

func TestOwnLimitKeepsRequestsBack(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/machines/Machines-1", machineJSON("Machines-1"))
	client := f.client(func(c *octopus.Config) { c.RequestsPerMinute = 6 }) // one every ten seconds
	if _, err := client.Ping(t.Context()); err == nil {
		t.Fatal("the fake has no root")
	}
	short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := client.Target(short, "Machines-1")
	wantTransient(t, err)
	wantPhrases(t, err, "request limit", "requests per minute")
	cancel()
	if _, err = client.Target(short, "Machines-1"); !isPlainlyCancelled(err) {
		t.Errorf("got %v, want context.Canceled as it is", err)
	}
	if f.count() != 1 {
		t.Errorf("%d requests went out, want 1", f.count())
	}
}
