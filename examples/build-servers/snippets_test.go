package buildservers_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"regrow/internal/config"
	"regrow/internal/pipeline"
)

// page is the document that quotes the files of this folder.
const page = "../../docs/build-servers.md"

// quotation is a link to a file here that ends in a colon, and the block below it.
var quotation = regexp.MustCompile("(?s)\\]\\(\\.\\./examples/build-servers/([\\w.-]+)\\):\n\n```\\w*\n(.*?)```\n")

func TestDocumentQuotesTheFiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	quoted := map[string]bool{"notify.sh": true} // the one to copy as it is
	for _, match := range quotation.FindAllStringSubmatch(string(text), -1) {
		content, err := os.ReadFile(match[1])
		if err != nil {
			t.Fatal(err)
		}
		if match[2] != string(content) {
			t.Errorf("%s quotes %s otherwise than it is", page, match[1])
		}
		quoted[match[1]] = true
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".go" && !quoted[file.Name()] {
			t.Errorf("%s does not quote %s", page, file.Name())
		}
	}
}

// The configuration is a whole one once it knows an Octopus Server and a database.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	part, err := os.ReadFile("regrow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "regrow.yaml")
	rest := "database: {url: \"${OTHER}\"}\nservers: [{name: octopus, url: https://octopus.acme.example, api_key: \"${OTHER}\", space: Default}]\n"
	if err := os.WriteFile(file, append(part, rest...), 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"BUILD_SECRET": secret, "BUILDS_TOKEN": "a-token-of-twenty-four-letters", "OTHER": "postgres://localhost/regrow"}
	c, err := config.Load(file, config.Options{LookupEnv: func(name string) (string, bool) {
		value, known := values[name]
		return value, known
	}})
	if err != nil || len(c.Pipelines) != 1 {
		t.Fatalf("%d pipelines, %v", len(c.Pipelines), err)
	}
}

func TestShellcheck(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are no scripts (%v)", err)
	}
	for _, server := range buildServers {
		script := filepath.Join(t.TempDir(), server.file+".sh")
		if err := os.WriteFile(script, []byte("#!/bin/sh\n"+step(t, server.file, "sh ci/notify.sh")), 0o600); err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, script)
	}
	if output, err := exec.CommandContext(t.Context(), "shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck (make bootstrap-test installs it): %v\n%s", err, output)
	}
}

// buildServers are the files here, the variables that a build has there, as its
// documentation names them, and what regrow should get to know.
var buildServers = []struct {
	file      string
	variables map[string]string
	id        string
	want      pipeline.Commit
}{
	{
		file: "github-actions.yml",
		variables: map[string]string{
			"GITHUB_REPOSITORY": "acme/hello-world", "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": commit,
			"GITHUB_RUN_ID": "1658821493", "GITHUB_SERVER_URL": "https://github.com",
			"secrets.REGROW_SECRET": secret, "github.run_number": "118",
			"github.event.head_commit.message": "Greet \"all\"", "github.event.head_commit.author.name": "Mira",
		},
		id: "github-acme/hello-world-1658821493",
		want: pipeline.Commit{Version: "2.6.118", Message: "Greet \"all\"", Author: "Mira",
			URL: "https://github.com/acme/hello-world/actions/runs/1658821493"},
	},
	{
		file: "gitlab-ci.yml",
		variables: map[string]string{
			"CI_PROJECT_PATH": "acme/hello-world", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_SHA": commit,
			"CI_PIPELINE_ID": "4711", "CI_PIPELINE_IID": "118", "CI_PIPELINE_URL": "https://gitlab.com/acme/hello-world/-/pipelines/4711",
			"CI_COMMIT_MESSAGE": "Greet \"all\"", "CI_COMMIT_AUTHOR": "Mira <mira@acme.example>",
			"REGROW_SECRET": secret,
		},
		id: "gitlab-4711",
		want: pipeline.Commit{Version: "2.6.118", Message: "Greet \"all\"", Author: "Mira <mira@acme.example>",
			URL: "https://gitlab.com/acme/hello-world/-/pipelines/4711"},
	},
	{
		file: "azure-pipelines.yml",
		variables: map[string]string{
			"BUILD_REPOSITORY_NAME": "acme/hello-world", "BUILD_SOURCEBRANCH": "refs/heads/main", "BUILD_SOURCEVERSION": commit,
			"BUILD_BUILDID": "118", "Build.BuildId": "118", "BUILD_SOURCEVERSIONMESSAGE": "Greet \"all\"", "REGROW_SECRET": secret,
		},
		id:   "azure-118",
		want: pipeline.Commit{Version: "2.6.118", Message: "Greet \"all\"", Author: "Mira Lindqvist"},
	},
	{
		file: "Jenkinsfile",
		variables: map[string]string{
			"BUILD_TAG": "jenkins-hello world-main-118", "BRANCH_NAME": "main", "GIT_COMMIT": commit,
			"BUILD_URL": "https://jenkins.acme.example/job/hello-world/job/main/118/", "VERSION": "2.6.118", "REGROW_SECRET": secret,
		},
		id: "jenkins-hello-world-main-118",
		want: pipeline.Commit{Version: "2.6.118", Message: "Greet \"all\"\n\nin two lines", Author: "Mira Lindqvist",
			URL: "https://jenkins.acme.example/job/hello-world/job/main/118/"},
	},
	{
		file: "teamcity-notify.sh",
		variables: map[string]string{
			"BUILD_ID": "118", "BRANCH_REF": "refs/heads/main", "BUILD_VCS_NUMBER": commit, "BUILD_NUMBER": "2.6.118",
			"BUILD_URL": "https://teamcity.acme.example/build/118", "REGROW_SECRET": secret,
		},
		id:   "teamcity-118",
		want: pipeline.Commit{Version: "2.6.118", URL: "https://teamcity.acme.example/build/118"},
	},
}

// The steps are performed as they stand in the files, by what a build has there.
func TestBuildServersTellOfTheCommit(t *testing.T) {
	t.Parallel()
	for _, server := range buildServers {
		t.Run(server.file, func(t *testing.T) {
			t.Parallel()
			r := newRegrow(t, secret)
			variables := environment(t, server.file, server.variables)
			variables["REGROW_URL"] = r.url
			for range 2 { // a repeated build is the same message
				if got := perform(t, "sh", checkout(t), step(t, server.file, "sh ci/notify.sh"), variables); got.code != 0 {
					t.Fatalf("exit status %d:\n%s", got.code, got.output)
				}
			}
			want := server.want
			want.Repository, want.Ref, want.SHA = "acme/hello-world", "refs/heads/main", commit
			if len(r.commits) != 2 || r.commits[0] != want || r.commits[1] != want {
				t.Errorf("got  %+v\nwant %+v", r.commits, want)
			}
			for _, header := range r.requests {
				if header.Get("webhook-id") != server.id {
					t.Errorf("the id is %s, want %s", header.Get("webhook-id"), server.id)
				}
			}
		})
	}
}

// TeamCity's step has its variables from the settings.
func TestTeamCitySettingsGiveTheVariables(t *testing.T) {
	t.Parallel()
	settings, err := os.ReadFile("settings.kts")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"env.REGROW_URL"`, `"env.REGROW_SECRET"`, `"env.REGROW_TOKEN"`, `"env.BRANCH_REF"`, `"env.BUILD_ID"`,
		`"sh ci/teamcity-notify.sh"`, `"sh ci/teamcity-trigger.sh"`} {
		if !strings.Contains(string(settings), part) {
			t.Errorf("settings.kts has no %s", part)
		}
	}
}

// checkout is a working copy with notify.sh in its place.
func checkout(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	content, err := os.ReadFile("notify.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "ci"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "ci", "notify.sh"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"init", "-q"}, {"-c", "user.name=Mira Lindqvist", "-c", "user.email=mira@acme.example",
		"commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "Greet \"all\"\n\nin two lines"}} {
		command := exec.CommandContext(t.Context(), "git", arguments...)
		command.Dir = folder
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", arguments, err, output)
		}
	}
	return folder
}

// step returns the script of a build server's file that holds a text.
func step(t *testing.T, file, text string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	switch filepath.Ext(file) {
	case ".yml":
		var document any
		if err := yaml.Unmarshal(content, &document); err != nil {
			t.Fatal(err)
		}
		walk(document, func(_, value string) {
			if strings.Contains(value, text) {
				found = append(found, value)
			}
		})
	case ".sh":
		found = []string{string(content)}
	default: // Groovy takes a backslash at the end of a line, and the line's end, away
		for _, block := range regexp.MustCompile(`(?s)sh '''(.*?)'''`).FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(block[1], text) {
				found = append(found, strings.ReplaceAll(block[1], "\\\n", ""))
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d scripts with %q, want one", file, len(found), text)
	}
	return found[0]
}

// expression is what a build server replaces in its own file.
var expression = regexp.MustCompile(`\$\{\{ ([\w.]+) \}\}|\$\(([\w.]+)\)|\$(CI_\w+)`)

// environment returns the variables of a build, with those that the file gives
// it: every member whose name a variable can have, from any part of the file.
func environment(t *testing.T, file string, variables map[string]string) map[string]string {
	t.Helper()
	all := maps.Clone(variables)
	if filepath.Ext(file) != ".yml" {
		return all
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	wanted := []string{"VERSION", "REGROW_SECRET", "MESSAGE", "AUTHOR"}
	walk(document, func(name, value string) {
		if name = strings.ToUpper(name); slices.Contains(wanted, name) {
			all[name] = expression.ReplaceAllStringFunc(value, func(reference string) string {
				parts := expression.FindStringSubmatch(reference)
				known, there := variables[parts[1]+parts[2]+parts[3]]
				if !there {
					t.Errorf("%s: a build has no %s", file, reference)
				}
				return known
			})
		}
	})
	return all
}

// walk visits every text of a YAML document, with the name of its member.
func walk(node any, visit func(name, value string)) {
	switch node := node.(type) {
	case map[string]any:
		for name, value := range node {
			if text, is := value.(string); is {
				visit(name, text)
			}
			walk(value, visit)
		}
	case []any:
		for _, value := range node {
			if text, is := value.(string); is {
				visit("", text)
			}
			walk(value, visit)
		}
	}
}
