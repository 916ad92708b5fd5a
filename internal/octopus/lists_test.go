package octopus_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"

	"regrow/internal/octopus"
)

func machineJSON(id string) string {
	return fmt.Sprintf(`{"Id":%q,"Name":"web %s","Uri":"https://10.0.0.7:10933/","Roles":["web"],"EnvironmentIds":["Environments-1"],"TenantIds":null,"HealthStatus":"Healthy","IsDisabled":false}`, id, id)
}

func machinePages(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, machineJSON(fmt.Sprintf("Machines-%d", i)))
	}
	return all
}

func TestListsAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 99, 100, 101, 250} {
		f := newFake(t)
		f.on("GET /api/Spaces-1/machines", paged(100, func() []string { return machinePages(1, n) }))
		got, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1", Roles: []string{"web", "db & co"}, TenantID: "Tenants-1"})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n {
			t.Errorf("got %d of %d targets", len(got), n)
		}
		for i, r := range f.received("GET", "/api/Spaces-1/machines") {
			query, err := url.ParseQuery(r.query)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"environmentIds": "Environments-1", "roles": "web,db & co", "tenantIds": "Tenants-1", "skip": fmt.Sprint(100 * i)} {
				if query.Get(name) != want {
					t.Errorf("page %d asks for %s=%q, want %q", i, name, query.Get(name), want)
				}
			}
		}
	}
}

func TestListThatChangesIsReadAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var pages atomic.Int64
	f.on("GET /api/Spaces-1/machines", paged(100, func() []string {
		if pages.Add(1) == 1 {
			return machinePages(1, 150)
		}
		return machinePages(20, 150) // the first ones go: what was 101st is now 81st
	}))
	got, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 131 {
		t.Errorf("got %d targets, want all 131 that are left", len(got))
	}
}

func TestListThatNeverSettles(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var calls atomic.Int64
	f.on("GET /api/Spaces-1/machines", paged(100, func() []string { return machinePages(int(calls.Add(1)), 300) }))
	_, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"})
	wantTransient(t, err)
	wantPhrases(t, err, "changed while it was read")
}

func TestListThatRepeatsAnItem(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api/Spaces-1/machines", paged(100, func() []string {
		return slices.Concat(machinePages(1, 100), machinePages(100, 149))
	}))
	_, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"})
	wantTransient(t, err)
}

func TestListThatIsNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `[]`, `{"Items":[]}`, `{"TotalResults":1,"Items":[{"Name":"x"}]}`, `{"TotalResults":1,"Items":7}`, `null`, ``} {
		f := newFake(t)
		f.says("GET /api/Spaces-1/machines", body)
		_, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"})
		if !octopus.IsTransient(err) {
			t.Errorf("%q gives %v, want a transient error", body, err)
		}
	}
	f := newFake(t)
	f.says("GET /api/Spaces-1/machines", `{"TotalResults":0,"Items":null}`)
	if got, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"}); err != nil || len(got) != 0 {
		t.Errorf("an empty list gives %v, %v", got, err)
	}
}

func TestListThatEndsBeforeItsTotal(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api/Spaces-1/machines", func(w http.ResponseWriter, r *http.Request) {
		items := machineJSON("Machines-1")
		if r.URL.Query().Get("skip") != "0" {
			items = "" // the API key's user may not see the rest
		}
		reply(w, http.StatusOK, fmt.Sprintf(`{"TotalResults":3,"Items":[%s]}`, items))
	})
	got, err := f.client().Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1"})
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v; want what can be seen", got, err)
	}
}

func TestLookUpsTakeTheExactNameOnly(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	items := listOf(`{"Id":"X-1","Name":"Production 2"}`, `{"Id":"X-2","Name":"production"}`, `{"Id":"X-3","Name":"Old Production"}`)
	for _, path := range []string{"environments", "tenants", "projects", "projects/Projects-1/channels", "projects/Projects-1/runbooks"} {
		f.says("GET /api/Spaces-1/"+path, items)
	}
	client := f.client()
	lookUps := map[string]func(name string) (id string, err error){
		"environment": func(name string) (string, error) {
			e, err := client.Environment(t.Context(), name)
			return e.ID, err
		},
		"tenant": func(name string) (string, error) {
			e, err := client.Tenant(t.Context(), name)
			return e.ID, err
		},
		"project": func(name string) (string, error) {
			p, err := client.Project(t.Context(), name)
			return p.ID, err
		},
		"channel": func(name string) (string, error) {
			e, err := client.Channel(t.Context(), "Projects-1", name)
			return e.ID, err
		},
		"runbook": func(name string) (string, error) {
			r, err := client.Runbook(t.Context(), "Projects-1", name)
			return r.ID, err
		},
	}
	for what, lookUp := range lookUps {
		if id, err := lookUp(" PRODUCTION "); err != nil || id != "X-2" {
			t.Errorf("%s: got %q, %v, want X-2", what, id, err)
		}
		_, err := lookUp("Produc")
		wantPermanent(t, err, what, `"Produc"`, `"default"`, f.URL)
		if !octopus.IsNotFound(err) {
			t.Errorf("%s: %v is not told as not found", what, err)
		}
		if what == "channel" {
			continue // no name means the default one
		}
		if _, err := lookUp(""); octopus.IsTransient(err) || err == nil {
			t.Errorf("%s without a name: %v", what, err)
		}
	}
}

func TestDefaultChannel(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/projects/Projects-1/channels", listOf(`{"Id":"Channels-1","Name":"Hotfix"}`, `{"Id":"Channels-2","Name":"Default","IsDefault":true}`))
	f.says("GET /api/Spaces-1/projects/Projects-2/channels", listOf(`{"Id":"Channels-1","Name":"Hotfix"}`))
	client := f.client()
	if got, err := client.Channel(t.Context(), "Projects-1", ""); err != nil || got != (octopus.Channel{ID: "Channels-2", Name: "Default"}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err := client.Channel(t.Context(), "Projects-2", "")
	wantPermanent(t, err, "default")
}

func TestProjectFields(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/projects", listOf(`{"Id":"Projects-1","Name":"Shop","Slug":"shop","IsDisabled":true,"IsVersionControlled":true,"TenantedDeploymentMode":"Tenanted","PersistenceSettings":{"Type":"VersionControlled","DefaultBranch":"main"},"Links":{"Web":"/app#/Spaces-1/projects/Projects-1"}}`))
	got, err := f.client().Project(t.Context(), "shop")
	want := octopus.Project{
		ID: "Projects-1", Name: "Shop", Slug: "shop", IsDisabled: true, VersionControlled: true, DefaultBranch: "main",
		TenantedDeploymentMode: "Tenanted", WebURL: f.URL + "/app#/Spaces-1/projects/Projects-1",
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestOthersThatATargetServes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		participation string
		tenants, tags []string
		tenant, want  string
	}{
		{"Tenanted", []string{"Tenants-1"}, nil, "tenants-1", ""},
		{"Tenanted", []string{"Tenants-1", "Tenants-2"}, nil, "Tenants-1", "other tenants"},
		{"Tenanted", []string{"Tenants-2"}, nil, "Tenants-1", "other tenants"},
		{"Tenanted", []string{"Tenants-1"}, []string{"Tier/Gold"}, "Tenants-1", "all tenants with its tenant tags"},
		{"Tenanted", nil, []string{"Tier/Gold"}, "Tenants-1", "all tenants with its tenant tags"},
		{"TenantedOrUntenanted", []string{"Tenants-1"}, nil, "Tenants-1", "untenanted deployments"},
		{"Untenanted", nil, nil, "Tenants-1", "untenanted deployments"},
		{"Untenanted", nil, nil, "", ""},
		{"Untenanted", []string{"Tenants-1"}, nil, "", ""},
		{"TenantedOrUntenanted", nil, nil, "", ""},
		{"TenantedOrUntenanted", []string{"Tenants-1"}, nil, "", "tenants"},
		{"TenantedOrUntenanted", nil, []string{"Tier/Gold"}, "", "tenants"},
		{"Tenanted", []string{"Tenants-1"}, nil, "", "tenants"},
		{"", nil, nil, "", ""}, // before tenants
	} {
		target := octopus.Target{Participation: c.participation, TenantIDs: c.tenants, TenantTags: c.tags}
		if got := target.Others(c.tenant); got != c.want {
			t.Errorf("%+v for tenant %q: got %q, want %q", target, c.tenant, got, c.want)
		}
	}
}

func TestTargetsThatSlipThroughTheServersFilter(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api/Spaces-1/machines", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, listOf(
			`{"Id":"Machines-1","Roles":["Web"],"EnvironmentIds":["Environments-1"]}`,
			`{"Id":"Machines-2","Roles":["web"],"EnvironmentIds":["Environments-2"]}`,
			`{"Id":"Machines-3","Roles":["db"],"EnvironmentIds":["Environments-1"]}`,
			`{"Id":"Machines-4","Roles":["web"],"EnvironmentIds":["Environments-1"],"TenantedDeploymentParticipation":"Tenanted","TenantIds":["Tenants-1"]}`,
			`{"Id":"Machines-5","Roles":["web"],"EnvironmentIds":["Environments-1"],"TenantedDeploymentParticipation":"TenantedOrUntenanted"}`,
		))
	})
	client := f.client()
	for tenant, want := range map[string][]string{
		"":          {"Machines-1", "Machines-5"},
		"Tenants-1": {"Machines-1", "Machines-4", "Machines-5"}, // by tags, as far as we know
	} {
		found, err := client.Targets(t.Context(), octopus.TargetQuery{EnvironmentID: "Environments-1", TenantID: tenant, Roles: []string{"web"}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, target := range found {
			got = append(got, target.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("tenant %q: got %v, want %v", tenant, got, want)
		}
	}
}

// A target that is read by itself is held against the same filters, and against
// the tenant, which a list leaves to the server.
func TestQueriesSelectTargets(t *testing.T) {
	t.Parallel()
	here := octopus.Target{Roles: []string{"db", "WEB"}, EnvironmentIDs: []string{"Environments-2", "environments-1"}}
	with := func(change func(*octopus.Target)) octopus.Target {
		target := here
		change(&target)
		return target
	}
	for name, c := range map[string]struct {
		target octopus.Target
		tenant string
		want   bool
	}{
		"here":                           {here, "", true},
		"elsewhere":                      {with(func(t *octopus.Target) { t.EnvironmentIDs = []string{"Environments-2"} }), "", false},
		"without its role":               {with(func(t *octopus.Target) { t.Roles = []string{"db"} }), "", false},
		"tenants' only":                  {with(func(t *octopus.Target) { t.Participation = "Tenanted" }), "", false},
		"of the tenant":                  {with(func(t *octopus.Target) { t.TenantIDs = []string{"tenants-1"} }), "Tenants-1", true},
		"of another tenant":              {with(func(t *octopus.Target) { t.TenantIDs = []string{"Tenants-2"} }), "Tenants-1", false},
		"of no tenant":                   {here, "Tenants-1", false},
		"perhaps of the tenant, by tags": {with(func(t *octopus.Target) { t.TenantTags = []string{"Tier/Gold"} }), "Tenants-1", true},
	} {
		query := octopus.TargetQuery{EnvironmentID: "Environments-1", TenantID: c.tenant, Roles: []string{"web"}}
		if got := query.Selects(c.target); got != c.want {
			t.Errorf("%s: selected %t, want %t", name, got, c.want)
		}
	}
}

func TestTargetFieldsAndAvailability(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/machines/Machines-1", machineJSON("Machines-1"))
	f.says("GET /api/Spaces-1/machines/Machines-2", `{"Id":"Machines-2","Endpoint":{"CommunicationStyle":"NewStyle","Uri":"poll://x/"},"HealthStatus":"Sleepy"}`)
	client := f.client()
	got, err := client.Target(t.Context(), "Machines-1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "web Machines-1" || got.URI != "https://10.0.0.7:10933/" || !got.Available() || got.WebURL != f.URL+"/app#/Spaces-1/infrastructure/machines/Machines-1/settings" {
		t.Errorf("got %+v", got)
	}
	if got.IsInProcess {
		t.Error("a target that no task uses is in process")
	}
	f.says("GET /api/Spaces-1/machines/Machines-3", `{"Id":"Machines-3","IsInProcess":true}`)
	if used, err := client.Target(t.Context(), "Machines-3"); err != nil || !used.IsInProcess {
		t.Errorf("a target that a task uses: %+v, %v", used, err)
	}
	// A health status and an endpoint that came with a newer server are no error.
	got, err = client.Target(t.Context(), "Machines-2")
	if err != nil || got.URI != "poll://x/" || got.Available() {
		t.Errorf("got %+v, %v", got, err)
	}
	for status, want := range map[string]bool{"Healthy": true, "HasWarnings": true, "Unhealthy": false, "Unavailable": false, "Unknown": false, "": false} {
		if got := (octopus.Target{HealthStatus: status}).Available(); got != want {
			t.Errorf("%s: available %v, want %v", status, got, want)
		}
		if (octopus.Target{HealthStatus: status, IsDisabled: true}).Available() {
			t.Errorf("%s and disabled is available", status)
		}
	}
}
