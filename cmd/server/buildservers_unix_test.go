//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"regrow/internal/client"
)

// triggerStep is the command in a build server's file, with the lines that it
// goes on over.
var triggerStep = regexp.MustCompile(`regrow trigger(?:[ \t][^\n]*\\\n)+[^\n]*`)

// The steps of examples/build-servers that call regrow do so as a run needs it,
// with the variables that a build has there.
func TestBuildServersTriggerRuns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		variables map[string]string
		want      client.NewRun
		key       string
	}{
		"github-actions.yml": {
			variables: map[string]string{"GITHUB_REPOSITORY": "acme/hello-world", "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": aCommit,
				"GITHUB_RUN_ID": "1658821493", "GITHUB_SERVER_URL": "https://github.com", "VERSION": "2.6.118"},
			want: client.NewRun{Ref: "refs/heads/main", URL: "https://github.com/acme/hello-world/actions/runs/1658821493"},
			key:  "github-acme/hello-world-1658821493",
		},
		"gitlab-ci.yml": {
			variables: map[string]string{"CI_PROJECT_PATH": "acme/hello-world", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_SHA": aCommit,
				"CI_PIPELINE_ID": "4711", "CI_PIPELINE_URL": "https://gitlab.com/acme/hello-world/-/pipelines/4711", "VERSION": "2.6.118"},
			want: client.NewRun{Branch: "main", URL: "https://gitlab.com/acme/hello-world/-/pipelines/4711"},
			key:  "gitlab-4711",
		},
		"azure-pipelines.yml": {
			variables: map[string]string{"BUILD_REPOSITORY_NAME": "acme/hello-world", "BUILD_SOURCEBRANCH": "refs/heads/main",
				"BUILD_SOURCEVERSION": aCommit, "BUILD_BUILDID": "118", "VERSION": "2.6.118"},
			want: client.NewRun{Ref: "refs/heads/main"},
			key:  "azure-118",
		},
		"Jenkinsfile": {
			variables: map[string]string{"BRANCH_NAME": "main", "GIT_COMMIT": aCommit, "BUILD_TAG": "jenkins-hello world-main-118",
				"BUILD_URL": "https://jenkins.acme.example/job/hello-world/job/main/118/", "VERSION": "2.6.118"},
			want: client.NewRun{Branch: "main", URL: "https://jenkins.acme.example/job/hello-world/job/main/118/"},
			key:  "jenkins-hello-world-main-118",
		},
		"teamcity-trigger.sh": {
			variables: map[string]string{"BRANCH_REF": "refs/heads/main", "BUILD_VCS_NUMBER": aCommit, "BUILD_ID": "118", "BUILD_NUMBER": "2.6.118"},
			want:      client.NewRun{Ref: "refs/heads/main"},
			key:       "teamcity-118",
		},
	}
	for file, test := range tests {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(client.RunStatusSuperseded))
			test.variables["REGROW_URL"], test.variables["REGROW_TOKEN"] = f.url, "t0ken"
			output, err := shell(t, triggerIn(t, file), test.variables)
			if code := exitOf(err); code != exitSuperseded {
				t.Errorf("exit %d, want %d:\n%s", code, exitSuperseded, output)
			}

			asked := f.asked(t, http.MethodPost, "/api/v1/runs")[0]
			var got client.NewRun
			if err := json.Unmarshal([]byte(asked.body), &got); err != nil {
				t.Fatal(err)
			}
			want := test.want
			want.Pipeline, want.Repository, want.Commit, want.Version = "hello-world", "acme/hello-world", aCommit, "2.6.118"
			if got != want {
				t.Errorf("asked for %+v\nwant      %+v", got, want)
			}
			if key, token := asked.header.Get("Idempotency-Key"), asked.header.Get("Authorization"); key != test.key || token != "Bearer t0ken" {
				t.Errorf("key %q, want %q; token %q", key, test.key, token)
			}
		})
	}
}

// A build that sends by notify.sh and one that triggers, with the real thing.
func TestBuildServersInTheDemonstration(t *testing.T) {
	t.Parallel()
	notify, err := filepath.Abs("../../examples/build-servers/notify.sh")
	if err != nil {
		t.Fatal(err)
	}
	const script = `
		tell() { sh "$NOTIFY" --id build-118 --repository acme/hello-world --branch main --commit "$@"; }
		export REGROW_SECRET="$BUILD_SECRET"
		tell 4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02 --version 7.1.0
		tell 4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02 --version 7.1.0
		tell HEAD || echo "refused with $?"
		REGROW_SECRET=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
		tell 4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02 || echo "refused with $?"
		key=hello-world-118
		regrow trigger --pipeline hello-world-build --no-git --branch main --commit 5a1c9a61c07be8835d1a94e26f30b7c85e9d1a03 --version 7.2.0 --idempotency-key $key
		regrow trigger --pipeline hello-world-build --no-git --branch main --commit 5a1c9a61c07be8835d1a94e26f30b7c85e9d1a03 --version 7.2.0 --idempotency-key $key --wait --timeout 2m`
	output, err := shell(t, demonstrate(t)+script, map[string]string{"NOTIFY": notify})
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	at := 0
	for _, part := range []string{`"status":"accepted"`, `"pipeline":"hello-world-build"`, `"status":"duplicate"`, "(status 400)", "/commit", "refused with 4",
		"does not accept the signature", "refused with 4", "hello-world-build#2 ", "was started by the first request with this key", "succeeded"} {
		found := strings.Index(output[at:], part)
		if found < 0 {
			t.Fatalf("no %q where it should be in:\n%s", part, output)
		}
		at += found
	}
}

// triggerIn returns the one command of a file that starts a run.
func triggerIn(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/build-servers", file))
	if err != nil {
		t.Fatal(err)
	}
	found := triggerStep.FindAllString(string(text), -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d steps that trigger a run, want 1", file, len(found))
	}
	return found[0]
}

// shell performs a script in which regrow is this program.
func shell(t *testing.T, script string, variables map[string]string) (output string, err error) {
	t.Helper()
	program, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Symlink(program, filepath.Join(folder, "regrow")); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	command.Env = []string{asRegrow + "=1", "no_proxy=*", "HOME=" + folder, "PATH=" + folder + string(os.PathListSeparator) + os.Getenv("PATH")}
	for name, value := range variables {
		command.Env = append(command.Env, name+"="+value)
	}
	all, err := command.CombinedOutput()
	return string(all), err
}
