package octopus_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/octopus"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := octopus.Config{URL: "https://octopus.example.com", APIKey: testKey, Space: "Default"}
	if _, err := octopus.New(good); err != nil {
		t.Fatalf("a good configuration is refused: %v", err)
	}
	tests := []struct {
		name   string
		change func(*octopus.Config)
		says   string
	}{
		{"no url", func(c *octopus.Config) { c.URL = "" }, "scheme"},
		{"no scheme", func(c *octopus.Config) { c.URL = "octopus.example.com" }, "scheme"},
		{"another scheme", func(c *octopus.Config) { c.URL = "ftp://octopus.example.com" }, "scheme"},
		{"no host", func(c *octopus.Config) { c.URL = "https:///octopus" }, "no host"},
		{"ill-formed", func(c *octopus.Config) { c.URL = "https://user:hunter2@[::1" }, "ill-formed"},
		{"password", func(c *octopus.Config) { c.URL = "https://user:hunter2@octopus.example.com" }, "password"},
		{"copied from the browser", func(c *octopus.Config) { c.URL = "https://octopus.example.com/app#/Spaces-1" }, "fragment"},
		{"no key", func(c *octopus.Config) { c.APIKey = "" }, "api_key"},
		{"key with line break", func(c *octopus.Config) { c.APIKey = testKey + "\n" }, "line break"},
		{"no space", func(c *octopus.Config) { c.Space = " " }, "space"},
		{"negative rate", func(c *octopus.Config) { c.RequestsPerMinute = -1 }, "negative"},
		{"negative timeout", func(c *octopus.Config) { c.Timeout = -1 }, "negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			tt.change(&cfg)
			_, err := octopus.New(cfg)
			if err == nil {
				t.Fatal("the configuration is accepted")
			}
			wantPhrases(t, err, tt.says)
			for _, secret := range []string{testKey, "hunter2"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error %q holds a secret", err)
				}
			}
		})
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api", `{"Application":"Octopus Deploy","Version":"2024.2.9409","InstallationId":"abc"}`)
	got, err := f.client().Ping(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (octopus.ServerInfo{Version: "2024.2.9409", InstallationID: "abc", SpaceID: "Spaces-1"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_, err = f.client(func(c *octopus.Config) { c.Space = "Defau" }).Ping(t.Context())
	wantPermanent(t, err, `space "Defau"`, f.URL)
	if !octopus.IsNotFound(err) {
		t.Errorf("%v is not told as not found", err)
	}
}

func TestPingTellsAnotherServerFromOctopus(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api", `{"status":"up"}`)
	_, err := f.client().Ping(t.Context())
	wantTransient(t, err)
	wantPhrases(t, err, "not from an Octopus Server")
}

func TestSpaceIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/environments", listOf(`{"Id":"Environments-1","Name":"Production"}`))
	client := f.client()
	var wg sync.WaitGroup
	for range 3 {
		if _, err := client.Environment(t.Context(), "Production"); err != nil {
			t.Fatal(err)
		}
	}
	for range 8 {
		wg.Go(func() {
			if _, err := client.Environment(t.Context(), "production"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(f.received("GET", "/api/spaces")); got != 1 {
		t.Errorf("the space was looked up %d times, want once", got)
	}
}

func TestRequestsSayWhoTheyAreFrom(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/environments", listOf(`{"Id":"Environments-1","Name":"Production"}`))
	client := f.client(func(c *octopus.Config) { c.UserAgent = "regrow/1.2" })
	if _, err := client.Environment(t.Context(), "Production"); err != nil {
		t.Fatal(err)
	}
	got := f.received("GET", "/api/Spaces-1/environments")[0].header
	for name, want := range map[string]string{"X-Octopus-Apikey": testKey, "User-Agent": "regrow/1.2", "Accept": "application/json"} {
		if got.Get(name) != want {
			t.Errorf("header %s is %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestBaseURLKeepsItsPath(t *testing.T) {
	t.Parallel()
	for _, slash := range []string{"", "/"} {
		f := newFake(t)
		f.says("GET /octopus/api/spaces", listOf(`{"Id":"Spaces-1","Name":"Default"}`))
		f.on("GET /octopus/api/Spaces-1/machines", paged(2, func() []string {
			return []string{machineJSON("Machines-1"), machineJSON("Machines-2"), machineJSON("Machines-3")}
		}))
		f.says("GET /octopus/api/Spaces-1/projects", listOf(
			`{"Id":"Projects-1","Name":"With","Links":{"Web":"/octopus/app#/Spaces-1/projects/Projects-1"}}`,
			`{"Id":"Projects-2","Name":"Without","Links":{"Web":"/app#/Spaces-1/projects/Projects-2"}}`,
			`{"Id":"Projects-3","Name":"Evil","Links":{"Web":"javascript:alert(1)"}}`,
			`{"Id":"Projects-4","Name":"Elsewhere","Links":{"Web":"//evil.example/x"}}`))
		client := f.client(func(c *octopus.Config) { c.URL += "/octopus" + slash })
		targets, err := client.Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"})
		if err != nil {
			t.Fatal(err)
		}
		if len(targets) != 3 {
			t.Errorf("got %d targets, want 3", len(targets))
		}
		for name, page := range map[string]string{"With": "projects/Projects-1", "Without": "projects/Projects-2", "Evil": "projects/Projects-3", "Elsewhere": "projects/Projects-4"} {
			p, err := client.Project(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if want := f.URL + "/octopus/app#/Spaces-1/" + page; p.WebURL != want {
				t.Errorf("the link of project %s is %q, want %q", name, p.WebURL, want)
			}
		}
	}
}

func TestObserveSeesRoutesWithoutIDs(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, route string
		status        int
	}
	var (
		mu  sync.Mutex
		got []seen
	)
	f := newFake(t)
	f.on("DELETE /api/Spaces-1/machines/Machines-7", func(w http.ResponseWriter, _ *http.Request) { breakOff(w) })
	client := f.client(func(c *octopus.Config) {
		c.Observe = func(method, route string, status int, d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if d <= 0 {
				t.Errorf("%s %s took %s", method, route, d)
			}
			got = append(got, seen{method, route, status})
		}
	})
	if _, err := client.Target(t.Context(), "Machines-7"); !octopus.IsNotFound(err) {
		t.Fatalf("got %v, want not found", err)
	}
	wantTransient(t, client.DeleteTarget(t.Context(), "Machines-7"))
	want := []seen{
		{"GET", "/api/spaces", 200},
		{"GET", "/api/{spaceId}/machines/{id}", 404},
		{"DELETE", "/api/{spaceId}/machines/{id}", 0},
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestIDsCannotLeadElsewhere(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	client := f.client()
	for _, id := range []string{"", ".", ".."} {
		wantPermanent(t, client.DeleteTarget(t.Context(), id))
	}
	if got := f.received("DELETE", "/api/Spaces-1/"); len(got) > 0 {
		t.Errorf("sent %v", got)
	}
	if err := client.DeleteTarget(t.Context(), "../projects/Projects-1?x#y"); err != nil {
		t.Fatal(err) // the fake knows no such target, so it is gone
	}
	if got := f.received("DELETE", "/api/Spaces-1/machines/..%2Fprojects%2FProjects-1%3Fx%23y"); len(got) != 1 {
		t.Errorf("the id was not sent as one segment of the path: %+v", f.all())
	}
}
