package config_test

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"regrow/internal/config"
	"regrow/internal/pipeline"
)

// TestExample loads the example that ships.
func TestExample(t *testing.T) {
	t.Parallel()
	c, err := config.Load("../../regrow.example.yaml", config.Options{LookupEnv: testEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if len(c.Pipelines) != 2 || c.Pipelines[0].Server.URL != "https://octopus.example.com" || c.Pipelines[1].Cleanup.Minimum != 4 {
		t.Errorf("pipelines: %+v", c.Pipelines)
	}
}

// TestEverything compares what the reader makes of a file that has every key.
func TestEverything(t *testing.T) {
	t.Parallel()
	c, err := config.Load("testdata/valid/everything.yaml", config.Options{LookupEnv: testEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Listen: "127.0.0.1:8080", PublicURL: "https://regrow.example.com",
		Database: config.Database{MaxConnections: 20, Pooler: config.PoolerTransaction},
		Log:      config.Log{Level: "info", Format: config.LogJSON},
		API: config.API{Tokens: []config.Token{
			{Name: "ops", Role: config.Operator}, {Name: "dashboard", Role: config.Viewer},
		}},
		Servers: []config.Server{{Name: "main", URL: "https://octopus.example.com", Space: "Default", RequestsPerMinute: 180, Timeout: 30 * time.Second}},
		Sources: []config.Source{
			{Name: "github", Kind: config.GitHub, MaxBody: 5_000_000, RequestsPerMinute: 600},
			{Name: "build", Kind: config.Generic, MaxBody: 5_000_000, RequestsPerMinute: 600, Tolerance: 5 * time.Minute},
			{Name: "octopus", Kind: config.Octopus, MaxBody: 5_000_000, RequestsPerMinute: 600, Server: "main", Header: "X-Regrow-Token"},
		},
		Reconcile: config.Reconcile{Interval: 30 * time.Second, Lease: 30 * time.Second},
	}
	server := pipeline.Server{Name: "main", URL: "https://octopus.example.com", Space: "Default"}
	want.Pipelines = []pipeline.Pipeline{{
		Name: "hello-world", Source: "github", Repository: "acme/hello-world", Branches: []string{"main", "release/*"},
		Server: server, Environment: "Development", Tenant: "Acme",
		Infrastructure: pipeline.Infrastructure{
			Project: "Hello World Infrastructure", Channel: "Default", Version: "0.0.{run}",
			Packages: []pipeline.Package{{Step: "Provision", Reference: "templates", Version: "1.4.2"}},
			Git:      pipeline.GitDefault, Roles: []string{"hello-world"}, Targets: 2,
			MachinePolicy: "Immutable Infrastructure",
		},
		Application: pipeline.Application{Project: "Hello World", Channel: "Default", Version: "1.0.{run}", Git: pipeline.GitCommit},
		Policy:      pipeline.Latest, OnFailure: pipeline.Terminate, FailureRunbook: "Remove failed machines",
		Verify:  pipeline.Verify{Timeout: 30 * time.Minute, Grace: 2 * time.Minute, Redeployments: 3},
		Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupDelete, Grace: 10 * time.Minute, Minimum: 2, MaxRemovals: 4, Timeout: 15 * time.Minute},
	}, {
		Name: "hello-world-production", Source: "build", Repository: "acme/hello-world", Branches: []string{"main"},
		Server: server, Environment: "Production",
		Infrastructure: pipeline.Infrastructure{
			Project: "Hello World Infrastructure", Version: "0.0.{run}-{pipeline}", Git: pipeline.GitCommit,
			Roles: []string{"hello-world"}, Targets: 4, MachinePolicy: "Immutable Infrastructure",
		},
		Application: pipeline.Application{
			Project: "Hello World", Channel: "Default", Version: "{version}-{pipeline}",
			Packages: []pipeline.Package{{Step: "Deploy", Version: "{version}"}}, Git: pipeline.GitCommit,
		},
		Policy: pipeline.FIFO, OnFailure: pipeline.Keep,
		Verify:  pipeline.Verify{Timeout: 30 * time.Minute, Grace: 2 * time.Minute, Redeployments: 3},
		Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupRunbook, Minimum: 4, Timeout: 15 * time.Minute, Runbook: "Remove old targets"},
	}}
	if got, wanted := describe(t, c), describe(t, &want); got != wanted {
		t.Errorf("got:\n%s\nwant:\n%s", got, wanted)
	}
	for variable, secret := range map[string]config.Secret{
		"REGROW_DATABASE_URL": c.Database.URL, "REGROW_OPERATOR_TOKEN": c.API.Tokens[0].Token, "REGROW_VIEWER_TOKEN": c.API.Tokens[1].Token,
		"OCTOPUS_API_KEY": c.Servers[0].APIKey, "GITHUB_WEBHOOK_SECRET": c.Sources[0].Secret, "BUILD_WEBHOOK_SECRET": c.Sources[1].PreviousSecret,
		"OCTOPUS_WEBHOOK_SECRET": c.Sources[2].Secret,
	} {
		if value, _ := testEnvironment(variable); secret.Reveal() != value {
			t.Errorf("%s: got another secret", variable)
		}
	}
	if server, ok := c.Server("main"); !ok || server.Name != "main" {
		t.Error("the server main is not found")
	}
	if _, ok := c.Source("gone"); ok {
		t.Error("a source that does not exist is found")
	}
}

// TestSecretFiles reads secrets from files beside the configuration.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	c, err := config.Load("testdata/valid/secret_files.yaml", config.Options{LookupEnv: testEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.API.Tokens[0].Token.Reveal(); got != "token-from-a-file-0123456789" {
		t.Errorf("got %q; expected the file's line without its end", got)
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load("testdata/gone.yaml", config.Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("expected fs.ErrNotExist, got %v", err)
	}
}

// TestForeignEditors reads files with the line ends and marks of other systems.
func TestForeignEditors(t *testing.T) {
	t.Parallel()
	text := everything(t)
	for name, text := range map[string]string{
		"line ends of Windows": strings.ReplaceAll(text, "\n", "\r\n"),
		"byte order mark":      "\ufeff" + text,
		"document start":       "---\n" + text,
	} {
		if _, err := config.Parse("regrow.yaml", []byte(text), config.Options{LookupEnv: testEnvironment}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testEnvironment(name string) (string, bool) {
	value, ok := map[string]string{
		"REGROW_DATABASE_URL":    "postgres://regrow:database-password@db.example.com/regrow",
		"REGROW_OPERATOR_TOKEN":  "operator-token-0123456789",
		"REGROW_VIEWER_TOKEN":    "viewer-token-0123456789",
		"OCTOPUS_API_KEY":        "API-0123456789ABCDEF",
		"GITHUB_WEBHOOK_SECRET":  "github-secret-0123456789",
		"BUILD_WEBHOOK_SECRET":   "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
		"OCTOPUS_WEBHOOK_SECRET": "octopus-secret-0123456789",
		"EMPTY":                  "",
		"LOG_LEVEL":              "debug",
		"ENVIRONMENT":            "Development",
		"REPOSITORY":             "shop",
	}[name]
	return value, ok
}

// listIndex is the place in a list that a path holds, such as "[0]".
var listIndex = regexp.MustCompile(`\[[0-9]+\]`)

// problemsOf parses a wrong file and returns its problems.
func problemsOf(t testing.TB, data []byte) config.Problems {
	t.Helper()
	_, err := config.Parse("testdata/valid/x.yaml", data, config.Options{LookupEnv: testEnvironment})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("expected Problems, got %T: %v", err, err)
	}
	return problems
}
