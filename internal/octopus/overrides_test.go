package octopus_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/octopus"
)

// A project with what the official client would lose or respell.
const projectBefore = `{ "Id":"Projects-1", "Name" : "Sh\u006fp", "Order":1.0, "Huge":1e400, "Same":1, "Same":2,
 "AutoDeployReleaseOverrides" : [{"EnvironmentId":"Environments-2","TenantId":null,"ReleaseId":"Releases-2","Since":"4.1"}],
 "ExtensionSettings":[{"ExtensionId":"x","Values":{"a":null}}], "Icon":{"Id":"🐙"}, "Links":{"Self":"/api/Spaces-1/projects/Projects-1{?x}"} }`

const ourEntry = `{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-7"}`

// projectAfter is projectBefore with our override.
var projectAfter = strings.Replace(projectBefore, `"Since":"4.1"}]`, `"Since":"4.1"},`+ourEntry+`]`, 1)

// projectServer keeps one project document as it is written to it.
type projectServer struct {
	*fake
	mu       sync.Mutex
	document string
	// onPut, where it is not nil, handles a PUT; put stores its document.
	onPut func(n int, w http.ResponseWriter, put func())
	puts  int
}

func newProjectServer(t *testing.T, document string) *projectServer {
	t.Helper()
	s := &projectServer{fake: newFake(t), document: document}
	s.on("GET /api/Spaces-1/projects/Projects-1", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		reply(w, http.StatusOK, s.document)
	})
	s.on("PUT /api/Spaces-1/projects/Projects-1", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.puts++
		if s.onPut != nil {
			s.onPut(s.puts, w, func() { s.document = string(body) })
			return
		}
		s.document = string(body)
		reply(w, http.StatusOK, s.document)
	})
	return s
}

// now returns the document and how often it was written.
func (s *projectServer) now() (document string, puts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.document, s.puts
}

func TestSetOverrideKeepsEveryOtherByte(t *testing.T) {
	t.Parallel()
	s := newProjectServer(t, projectBefore)
	client := s.client()
	for range 2 {
		if err := client.SetOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7"); err != nil {
			t.Fatal(err)
		}
	}
	document, puts := s.now()
	if puts != 1 {
		t.Errorf("the project was written %d times, want once", puts)
	}
	if document != projectAfter {
		t.Errorf("the project is now\n%s\nwant\n%s", document, projectAfter)
	}
	if got, err := client.Override(t.Context(), "Projects-1", "Environments-1", ""); err != nil || got != "Releases-7" {
		t.Errorf("the override is %q, %v", got, err)
	}
	if got, err := client.Override(t.Context(), "Projects-1", "Environments-1", "Tenants-1"); err != nil || got != "" {
		t.Errorf("a tenant's override is %q, %v", got, err)
	}
}

func TestClearOverrideClearsItsOwnOnly(t *testing.T) {
	t.Parallel()
	s := newProjectServer(t, projectAfter)
	client := s.client()
	for _, tt := range []struct {
		environment, tenant, release string
		cleared                      bool
	}{
		{"Environments-1", "", "Releases-6", false},
		{"Environments-1", "Tenants-1", "Releases-7", false},
		{"Environments-3", "", "Releases-7", false},
		{"Environments-1", "", "Releases-7", true},
		{"Environments-1", "", "Releases-7", false},
	} {
		cleared, err := client.ClearOverride(t.Context(), "Projects-1", tt.environment, tt.tenant, tt.release)
		if err != nil || cleared != tt.cleared {
			t.Errorf("%+v: cleared %v, %v", tt, cleared, err)
		}
	}
	if document, puts := s.now(); puts != 1 || document != projectBefore {
		t.Errorf("after %d writes the project is\n%s\nwant\n%s", puts, document, projectBefore)
	}
}

func TestClearingTheLastOverrideSendsAnEmptyList(t *testing.T) {
	t.Parallel()
	s := newProjectServer(t, `{"Id":"Projects-1","AutoDeployReleaseOverrides":[`+ourEntry+`]}`)
	if cleared, err := s.client().ClearOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7"); err != nil || !cleared {
		t.Fatalf("cleared %v, %v", cleared, err)
	}
	want := `{"Id":"Projects-1","AutoDeployReleaseOverrides":[]}`
	if document, _ := s.now(); document != want {
		t.Errorf("sent %s, want %s", document, want)
	}
}

func TestOverrideWritesThatGoWrong(t *testing.T) {
	t.Parallel()
	outOfDate := func(status int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			reply(w, status, `{"ErrorMessage":"There was a problem with your request.","Errors":["Modification failed for Projects-1 because submitted data was out of date. Refresh the document and try again."]}`)
		}
	}
	html := func(w http.ResponseWriter) { io.WriteString(w, "<html>signed out</html>") }
	tests := []struct {
		name  string
		onPut func(n int, w http.ResponseWriter, put func())
		want  outcome
		puts  int
	}{
		{"out of date once, 409", func(n int, w http.ResponseWriter, put func()) {
			if n == 1 {
				outOfDate(409)(w)
				return
			}
			put()
		}, success, 2},
		{"out of date twice, 400", func(n int, w http.ResponseWriter, put func()) {
			if n < 3 {
				outOfDate(400)(w)
				return
			}
			put()
		}, success, 3},
		{"always out of date", func(_ int, w http.ResponseWriter, _ func()) { outOfDate(409)(w) }, transient, 3},
		{"accepted and lost", func(int, http.ResponseWriter, func()) {}, transient, 3},
		{"lost once", func(n int, _ http.ResponseWriter, put func()) {
			if n > 1 {
				put()
			}
		}, success, 2},
		{"empty answer, done", func(_ int, _ http.ResponseWriter, put func()) { put() }, success, 1},
		{"a proxy's page, not done", func(_ int, w http.ResponseWriter, _ func()) { html(w) }, transient, 3},
		{"refused", func(_ int, w http.ResponseWriter, _ func()) {
			reply(w, 400, `{"ErrorMessage":"A release must be given."}`)
		}, permanent, 1},
		{"forbidden", func(_ int, w http.ResponseWriter, _ func()) {
			reply(w, 403, `{"ErrorMessage":"You lack ProjectEdit; your data was out of date"}`)
		}, permanent, 1},
		{"reset after the effect", func(_ int, w http.ResponseWriter, put func()) {
			put()
			breakOff(w)
		}, success, 1},
		{"reset before the effect", func(n int, w http.ResponseWriter, put func()) {
			if n == 1 {
				breakOff(w)
				return
			}
			put()
		}, success, 2},
		{"unavailable", func(_ int, w http.ResponseWriter, _ func()) { w.WriteHeader(503) }, transient, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newProjectServer(t, projectBefore)
			s.onPut = tt.onPut
			client := s.client(func(c *octopus.Config) { c.Settling = time.Millisecond })
			err := client.SetOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7")
			document, puts := s.now()
			if got := outcomeOf(err); got != tt.want || puts != tt.puts {
				t.Fatalf("got %d (%v) after %d writes, want %d after %d", got, err, puts, tt.want, tt.puts)
			}
			want := projectBefore
			if tt.want == success {
				want = projectAfter
			}
			if document != want {
				t.Errorf("the project is\n%s\nwant\n%s", document, want)
			}
		})
	}
}

func TestOverrideBuildsOnWhatTheOtherWriterLeft(t *testing.T) {
	t.Parallel()
	s := newProjectServer(t, projectBefore)
	const theirs = `{ "Id":"Projects-1", "New":true }`
	s.onPut = func(n int, w http.ResponseWriter, put func()) {
		if n == 1 {
			s.document = theirs
			reply(w, http.StatusConflict, `{"ErrorMessage":"The data was out of date."}`)
			return
		}
		put()
	}
	if err := s.client().SetOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7"); err != nil {
		t.Fatal(err)
	}
	want := `{ "Id":"Projects-1", "New":true,"AutoDeployReleaseOverrides":[` + ourEntry + `] }`
	if document, _ := s.now(); document != want {
		t.Errorf("got %s, want %s", document, want)
	}
}

func TestOverrideOfAProjectThatIsNone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	client := f.client()
	_, err := client.Override(t.Context(), "Projects-1", "Environments-1", "")
	if !octopus.IsNotFound(err) {
		t.Errorf("reading gives %v", err)
	}
	wantPermanent(t, client.SetOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7"), "Projects-1")
	_, err = client.ClearOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7")
	wantPermanent(t, err)
	wantPermanent(t, client.SetOverride(t.Context(), "Projects-1", "Environments-1", "", ""))
	_, err = client.ClearOverride(t.Context(), "Projects-1", "", "", "Releases-7")
	wantPermanent(t, err)

	for _, document := range []string{`{}`, `[]`, `null`, `"Projects-1"`, `{"Id":"Projects-1","AutoDeployReleaseOverrides":{}}`, `{"Id":"Projects-1","AutoDeployReleaseOverrides":[7]}`} {
		s := newProjectServer(t, document)
		_, err := s.client().Override(t.Context(), "Projects-1", "Environments-1", "")
		if !octopus.IsTransient(err) {
			t.Errorf("reading %s gives %v", document, err)
		}
		err = s.client().SetOverride(t.Context(), "Projects-1", "Environments-1", "", "Releases-7")
		if _, puts := s.now(); !octopus.IsTransient(err) || puts > 0 {
			t.Errorf("writing %s gives %v after %d writes", document, err, puts)
		}
	}
}
