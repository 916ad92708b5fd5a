//go:build unix

package simulator_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/client"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/core"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machines"
	octopuspackages "github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/packages"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/releases"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/tasks"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/variables"

	"regrow/internal/simulator"
)

// scripted is a server that runs scripts, with a project that has one of its own.
type scripted struct {
	*world
	client      *client.Client
	project     *projects.Project
	environment string
	packages    int // uploaded so far
}

func newScripted(t *testing.T, options simulator.Options) *scripted {
	t.Helper()
	options.RunScripts = true
	w := &scripted{world: newServer(t, options)}
	w.client = w.world.client("Spaces-1")
	w.environment = must[string](t)(w.AddEnvironment("Development"))
	id := must[string](t)(w.AddProject(simulator.ProjectOptions{Name: "Infrastructure", LifecycleID: "Lifecycles-1", ProjectGroupID: "ProjectGroups-1"}))
	w.project = must[*projects.Project](t)(projects.GetByID(w.client, "Spaces-1", id))
	return w
}

// zipped is a package of files, in the order of their names.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for name, content := range files {
		file, err := archive.Create(name)
		if err == nil {
			_, err = file.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload gives the feed a new version of the package, which releases select from then on.
func (w *scripted) upload(content []byte) {
	w.t.Helper()
	w.packages++
	_, created, err := octopuspackages.Upload(w.client, "Spaces-1", fmt.Sprintf("Scripts.1.0.%d.zip", w.packages), bytes.NewReader(content), octopuspackages.OverwriteModeFailIfExists)
	if err != nil || !created {
		w.t.Fatalf("expected a new package, got %v (%v)", created, err)
	}
}

// step runs a script of the package on the server, on behalf of the targets of a role if one is given.
func step(name, file, role string) *deployments.DeploymentStep {
	s := deployments.NewDeploymentStep(name)
	a := deployments.NewDeploymentAction(name, "Octopus.Script")
	for key, value := range map[string]string{"Octopus.Action.RunOnServer": "True", "Octopus.Action.Script.ScriptSource": "Package", "Octopus.Action.Script.ScriptFileName": file,
		"Octopus.Action.Package.PackageId": "Scripts", "Octopus.Action.Package.FeedId": "feeds-builtin"} {
		a.Properties[key] = core.NewPropertyValue(value, false)
	}
	a.Packages = append(a.Packages, &octopuspackages.PackageReference{PackageID: "Scripts", FeedID: "feeds-builtin", AcquisitionLocation: "Server"})
	s.Actions = append(s.Actions, a)
	return onBehalf(s, role)
}

func onBehalf(s *deployments.DeploymentStep, role string) *deployments.DeploymentStep {
	if role != "" {
		s.Properties["Octopus.Action.TargetRoles"] = core.NewPropertyValue(role, false)
	}
	return s
}

// healthStep checks targets of a role; forgiving is what it does about those that do not answer.
func healthStep(role string, properties map[string]string) *deployments.DeploymentStep {
	s := deployments.NewDeploymentStep("Check")
	a := deployments.NewDeploymentAction("Check", "Octopus.HealthCheck")
	for key, value := range properties {
		a.Properties["Octopus.Action.HealthCheck."+key] = core.NewPropertyValue(value, false)
	}
	s.Actions = append(s.Actions, a)
	return onBehalf(s, role)
}

// process replaces the project's steps.
func (w *scripted) process(steps ...*deployments.DeploymentStep) {
	w.t.Helper()
	path := "/api/Spaces-1/deploymentprocesses/" + w.project.DeploymentProcessID // the client mistakes this path below a base path
	process := w.get(path)
	process["Steps"] = steps
	w.call(http.MethodPut, path, process, 200)
}

// create makes a release with the newest packages and deploys it. It does not wait.
func (w *scripted) create() *deployments.Deployment {
	w.t.Helper()
	release := must[*releases.CreateReleaseResponseV1](w.t)(releases.CreateReleaseV1(w.client, releases.NewCreateReleaseCommandV1("Spaces-1", w.project.ID)))
	return must[*deployments.Deployment](w.t)(w.client.Deployments.Add(deployments.NewDeployment(w.environment, release.ReleaseID)))
}

func (w *scripted) task(d *deployments.Deployment) *tasks.Task {
	w.t.Helper()
	return must[*tasks.TaskDetailsResource](w.t)(tasks.GetDetails(w.client, "Spaces-1", d.TaskID)).Task
}

func (w *scripted) log(d *deployments.Deployment) string {
	w.t.Helper()
	_, data, err := w.send(http.MethodGet, "/api/tasks/"+d.TaskID+"/raw", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// run runs a bash script in a deployment of its own and returns the task and what its log says.
func (w *scripted) run(script string) (*tasks.Task, string) {
	w.t.Helper()
	w.upload(zipped(w.t, map[string]string{"run.sh": script}))
	w.process(step("Run", "run.sh", ""))
	d := w.create()
	w.Advance(time.Minute)
	return w.task(d), w.log(d)
}

// The three steps of the guide's infrastructure project, from nothing to the second generation.
// The scripts make and stop targets with nothing but requests to the API.
func TestScriptsProvisionAndTerminate(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/octopus"} {
		w := newScripted(t, simulator.Options{BasePath: base})
		policy := must[string](t)(w.AddImmutablePolicy())
		w.variable("Api.Key", simulator.DefaultAPIKey, true)
		w.variable("Policy", policy, false)
		w.upload(zipped(t, map[string]string{"scripts/provision.sh": provisionScript, "scripts/lib/api.sh": apiScript, "terminate.sh": terminateScript}))
		w.process(step("Provision", "scripts/provision.sh", ""),
			healthStep("web", map[string]string{"Type": "FullHealthCheck", "ErrorHandling": "TreatExceptionsAsWarnings", "IncludeMachinesInDeployment": "DoNotAlterMachines"}),
			step("Terminate", "terminate.sh", "web"))

		first := w.create() // with no old targets at all
		w.Advance(time.Minute)
		if task := w.task(first); task.State != "Success" {
			t.Fatalf("expected the first deployment to succeed without targets, got %s: %s\n%s", task.State, task.ErrorMessage, w.log(first))
		}
		old := must[[]*machines.DeploymentTarget](t)(machines.GetAll(w.client, "Spaces-1"))
		if len(old) != 2 || old[0].HealthStatus != "Healthy" || old[1].HealthStatus != "Healthy" || old[0].MachinePolicyID != policy || old[0].Thumbprint == old[1].Thumbprint {
			t.Fatalf("expected two healthy targets, got %+v\n%s", old, w.log(first))
		}
		// The machine policy lets old[1] go unavailable before the next deployment reaches it.
		if err := w.SetCondition(old[1].ID, "Unavailable"); err != nil {
			t.Fatal(err)
		}
		second := w.create()
		w.Advance(20 * time.Second)
		if task := w.task(second); task.State != "Success" {
			t.Fatalf("expected the second deployment to succeed, got %s: %s\n%s", task.State, task.ErrorMessage, w.log(second))
		}
		all := w.Machines()
		if len(all) != 4 || all[0].Answers || !all[2].Answers || !all[3].Answers {
			t.Fatalf("expected the first old target to be stopped and two new ones, got %+v\n%s", all, w.log(second))
		}
		runs := w.JournalOf(simulator.ScriptRun)[1:] // without the first Provision
		if len(runs) != 2 || runs[0].Name != "scripts/provision.sh" || runs[1].Name != "terminate.sh" || !slices.Equal(runs[1].Machines, []string{old[0].ID}) {
			t.Errorf("expected Provision, and Terminate on behalf of the old target that answered, got %+v", runs)
		}
		w.Advance(10 * time.Minute)
		left := must[[]*machines.DeploymentTarget](t)(machines.GetAll(w.client, "Spaces-1"))
		if len(left) != 2 || left[0].ID != all[2].ID || left[1].ID != all[3].ID {
			t.Errorf("expected the policy to have removed the old targets only, got %+v", left)
		}
	}
}

const (
	apiScript = `
url=$(get_octopusvariable Octopus.Web.ServerUri)/api/$(get_octopusvariable Octopus.Space.Id)
api() {
  curl --silent --show-error --fail-with-body --header "X-Octopus-ApiKey: $(get_octopusvariable Api.Key)" --request "$1" "$url$2" "${@:3}"
}
`
	provisionScript = `
set -euo pipefail
source lib/api.sh
for n in 1 2; do
  name=web-$(get_octopusvariable Octopus.Release.Number)-$n
  thumbprint=$(api GET "/machines/discover?host=$name&port=10933&type=TentaclePassive" | grep -o '"Thumbprint":"[0-9A-F]*"' | head -n 1 | cut -d '"' -f 4)
  api POST /machines --data-binary @- >/dev/null <<END
{"Name":"$name","EnvironmentIds":["$(get_octopusvariable Octopus.Environment.Id)"],"Roles":["web"],"MachinePolicyId":"$(get_octopusvariable Policy)",
 "Endpoint":{"CommunicationStyle":"TentaclePassive","Uri":"https://$name:10933/","Thumbprint":"$thumbprint"}}
END
  echo "registered $name"
done
`
	terminateScript = `
set -euo pipefail
source scripts/lib/api.sh
id=$(get_octopusvariable Octopus.Machine.Id)
api GET "/machines/$id" | sed 's|"Uri":"https://[^"]*"|"Uri":"https://gone.invalid:10933/"|g' | api PUT "/machines/$id" --data-binary @- >/dev/null
echo "stopped $(get_octopusvariable Octopus.Machine.Name) with the roles $(get_octopusvariable Octopus.Machine.Roles)"
`
)

// variable adds a variable to the project's set.
func (w *scripted) variable(name, value string, hidden bool) {
	w.t.Helper()
	v := variables.NewVariable(name)
	v.Value, v.IsSensitive = value, hidden
	if hidden {
		v.Type = "Sensitive"
	}
	must[variables.VariableSet](w.t)(variables.AddSingle(w.client, "Spaces-1", w.project.ID, v))
}

func TestScriptsFindTheirVariables(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	difficult := "it's \"quoted\"\n$(touch nothing) `x` \\ #{Unknown} ##octopus[x] é\n\tend"
	w.variable("Difficult", difficult, false)
	w.variable("Name with 'quotes'", "found", false)
	w.variable("Composed", "#{Octopus.Project.Name} in #{Octopus.Environment.Name}", false)
	task, log := w.run(`
show() { printf '%s=[%s]\n' "$1" "$(get_octopusvariable "$1")"; }
printf 'digest '; get_octopusvariable Difficult | sha256sum
show "Name with 'quotes'"
show Composed
show Missing
for name in Octopus.Web.ServerUri Octopus.Space.Id Octopus.Environment.Id Octopus.Environment.Name Octopus.Deployment.Id Octopus.Project.Id Octopus.Project.Name \
  Octopus.Release.Id Octopus.Release.Number Octopus.Task.Id Octopus.Deployment.Tenant.Id Octopus.Machine.Id Octopus.Action.Name; do show $name; done
echo "secrets of the simulator: [${REGROW_SECRET-}]"
`)
	if task.State != "Success" {
		t.Fatalf("expected success, got %s: %s", task.State, task.ErrorMessage)
	}
	for _, want := range []string{fmt.Sprintf("digest %x", sha256.Sum256([]byte(difficult))), "Name with 'quotes'=[found]", "Composed=[Infrastructure in Development]", "Missing=[]",
		"Octopus.Web.ServerUri=[" + w.url + "]", "Octopus.Space.Id=[Spaces-1]", "Octopus.Environment.Id=[" + w.environment + "]", "Octopus.Environment.Name=[Development]",
		"Octopus.Deployment.Id=[Deployments-1]", "Octopus.Project.Id=[" + w.project.ID + "]", "Octopus.Project.Name=[Infrastructure]", "Octopus.Release.Id=[Releases-1]",
		"Octopus.Release.Number=[0.0.1]", "Octopus.Task.Id=[ServerTasks-1]", "Octopus.Deployment.Tenant.Id=[]", "Octopus.Machine.Id=[]", "Octopus.Action.Name=[Run]"} {
		if !strings.Contains(log, want) {
			t.Errorf("expected %q in the log:\n%s", want, log)
		}
	}
}

func TestScriptsOfTenants(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	tenant := must[string](t)(w.AddTenant("Acme"))
	path := "/api/Spaces-1/projects/" + w.project.ID
	project := w.get(path)
	project["TenantedDeploymentMode"] = "Tenanted"
	w.call(http.MethodPut, path, project, 200)
	w.upload(zipped(t, map[string]string{"run.sh": `echo "tenant $(get_octopusvariable Octopus.Deployment.Tenant.Id) $(get_octopusvariable Octopus.Deployment.Tenant.Name)"`}))
	w.process(step("Run", "run.sh", ""))
	release := must[*releases.CreateReleaseResponseV1](t)(releases.CreateReleaseV1(w.client, releases.NewCreateReleaseCommandV1("Spaces-1", w.project.ID)))
	d := w.call(http.MethodPost, "/api/Spaces-1/deployments", object{"ReleaseId": release.ReleaseID, "EnvironmentId": w.environment, "TenantId": tenant}, 201)
	w.Advance(time.Minute)
	if log := w.log(&deployments.Deployment{TaskID: d["TaskId"].(string)}); !strings.Contains(log, "tenant "+tenant+" Acme") {
		t.Errorf("expected the tenant in the log:\n%s", log)
	}
}

func TestScriptsFail(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script, says string
	}{
		"with the end of stderr":       {"for n in 1 2 3 4 5 6; do echo line $n >&2; done; exit 7", "The step 'Run' failed: run.sh returned exit code 7: line 2; line 3; line 4; line 5; line 6"},
		"in silence":                   {"exit 3", "The step 'Run' failed: run.sh returned exit code 3."},
		"without a secret":             {"echo no entry with open-sesame >&2; echo also open-sesame; false", "returned exit code 1: no entry with ********"},
		"without a line of a secret":   {`get_octopusvariable Long >&2; exit 1`, "returned exit code 1: ********; ********"},
		"without a secret of its own":  {"set_octopusvariable x fresh-secret -sensitive; echo fresh-secret; exit 2", "returned exit code 2."},
		"by the signal that ends them": {"kill -TERM $$", "The step 'Run' failed: run.sh failed: signal: terminated"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newScripted(t, simulator.Options{})
			w.variable("Secret", "open-sesame", true)
			w.variable("Long", "-----BEGIN-----\nabcdef\n", true)
			task, log := w.run(test.script)
			if task.State != "Failed" || !strings.Contains(task.ErrorMessage, test.says) {
				t.Errorf("expected %q, got %s: %s", test.says, task.State, task.ErrorMessage)
			}
			for _, secret := range []string{"open-sesame", "abcdef", "BEGIN", "fresh-secret"} {
				if strings.Contains(log+task.ErrorMessage, secret) {
					t.Errorf("expected no %s in the log:\n%s", secret, log)
				}
			}
		})
	}
}

func TestPackagesThatCannotRun(t *testing.T) {
	t.Parallel()
	link := func(t *testing.T) []byte {
		t.Helper()
		var b bytes.Buffer
		archive := zip.NewWriter(&b)
		header := &zip.FileHeader{Name: "run.sh"}
		header.SetMode(fs.ModeSymlink | 0o777)
		file, err := archive.CreateHeader(header)
		if err == nil {
			_, err = file.Write([]byte("/etc/passwd"))
		}
		if err = cmp.Or(err, archive.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	outside := filepath.Join(t.TempDir(), "escaped")
	tests := map[string]struct {
		content []byte
		file    string
		says    string
	}{
		"a path upwards":            {zipped(t, map[string]string{"run.sh": "true", "../" + filepath.Base(outside): "x"}), "run.sh", "leads out of its folder"},
		"a path upwards, Windows":   {zipped(t, map[string]string{"run.sh": "true", `a\..\..\b`: "x"}), "run.sh", "leads out of its folder"},
		"an absolute path":          {zipped(t, map[string]string{"run.sh": "true", outside: "x"}), "run.sh", "leads out of its folder"},
		"a link":                    {link(t), "run.sh", "neither a file nor a folder"},
		"no zip":                    {[]byte("PK not really"), "run.sh", "expected a zip file"},
		"no such file":              {zipped(t, map[string]string{"other.sh": "true"}), "run.sh", `holds no file "run.sh"`},
		"a script outside":          {zipped(t, map[string]string{"run.sh": "true"}), "../run.sh", "expected a script inside the package"},
		"a language nobody chose":   {zipped(t, map[string]string{"run.py": "pass"}), "run.py", "expected a script that ends in .sh or .ps1"},
		"a step without its script": {zipped(t, map[string]string{"run.sh": "true"}), "", "expected a script"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newScripted(t, simulator.Options{})
			w.upload(test.content)
			w.process(step("Run", test.file, ""))
			d := w.create()
			w.Advance(time.Minute)
			if task := w.task(d); task.State != "Failed" || !strings.Contains(task.ErrorMessage, test.says) {
				t.Errorf("expected %q, got %s: %s", test.says, task.State, task.ErrorMessage)
			}
			if _, err := os.Stat(outside); err == nil {
				t.Error("expected nothing outside of the package's folder")
			}
		})
	}
}

func TestPackageThatHasGone(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	w.upload(zipped(t, map[string]string{"run.sh": "true"}))
	w.process(step("Run", "run.sh", ""))
	d := w.create()
	w.call(http.MethodDelete, "/api/Spaces-1/packages/packages-Scripts.1.0.1", nil, 200)
	w.Advance(time.Minute)
	if task := w.task(d); task.State != "Failed" || !strings.Contains(task.ErrorMessage, `version "1.0.1" of the package Scripts is not in the built-in feed`) {
		t.Errorf("expected the missing package to be named, got %s: %s", task.State, task.ErrorMessage)
	}
}

// A step after a failure runs only if it asks to, and the variables that steps set reach later ones.
func TestStepsAndTheirConditions(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	w.upload(zipped(t, map[string]string{
		"set.sh":  "set_octopusvariable Colour 'dark \"blue\"'; [[ $1 == fail ]] && exit 4; true",
		"show.sh": "echo \"$(get_octopusvariable Octopus.Action.Name) sees $(get_octopusvariable 'Octopus.Action[Set].Output.Colour')\"",
	}))
	for _, parameters := range []string{"pass", "fail"} {
		set := step("Set", "set.sh", "")
		set.Actions[0].Properties["Octopus.Action.Script.ScriptParameters"] = core.NewPropertyValue(parameters, false)
		normal, clean, always := step("Normal", "show.sh", ""), step("Clean", "show.sh", ""), step("Always", "show.sh", "")
		clean.Condition, always.Condition = "Failure", "Always"
		skipped := step("Skipped", "show.sh", "")
		skipped.Actions[0].IsDisabled = true
		w.process(set, normal, clean, always, skipped)
		d := w.create()
		w.Advance(time.Minute)
		log := w.log(d)
		for name, runs := range map[string]bool{"Normal": parameters == "pass", "Clean": parameters == "fail", "Always": true, "Skipped": false} {
			if got := strings.Contains(log, name+` sees dark "blue"`); got != runs {
				t.Errorf("%s: expected %s to run: %v, got %v\n%s", parameters, name, runs, got, log)
			}
		}
		if task := w.task(d); (task.State == "Success") != (parameters == "pass") {
			t.Errorf("%s: got %s", parameters, task.State)
		}
	}
}

// What a health check step does about targets that do not answer, and about new ones.
func TestHealthCheckStep(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		properties map[string]string
		state      string
		reached    []string
	}{
		"excludes":     {map[string]string{"ErrorHandling": "TreatExceptionsAsWarnings", "IncludeMachinesInDeployment": "DoNotAlterMachines"}, "Success", []string{"old-1"}},
		"fails":        {map[string]string{"ErrorHandling": "TreatExceptionsAsErrors", "IncludeMachinesInDeployment": "DoNotAlterMachines"}, "Failed", nil},
		"includes new": {map[string]string{"ErrorHandling": "TreatExceptionsAsWarnings", "IncludeMachinesInDeployment": "IncludeCheckedMachines"}, "Success", []string{"old-1", "new-1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newScripted(t, simulator.Options{})
			for _, target := range []string{"old-1", "old-2"} {
				must[string](t)(w.AddTarget(simulator.TargetOptions{Name: target, EnvironmentID: w.environment, Roles: []string{"web"}, Healthy: true}))
			}
			// The first step makes a new target and stops an old one behind Octopus' back.
			w.variable("Key", simulator.DefaultAPIKey, true)
			w.upload(zipped(t, map[string]string{"change.sh": `set -e
send() { curl -sSf -H "X-Octopus-ApiKey: $(get_octopusvariable Key)" "$(get_octopusvariable Octopus.Web.ServerUri)$1" -d "$2" >/dev/null; }
send /simulator/machines/old-2/condition '{"condition":"Unavailable"}'
send /api/Spaces-1/machines '{"Name":"new-1","EnvironmentIds":["Environments-1"],"Roles":["web"],"Endpoint":{"CommunicationStyle":"TentaclePassive","Uri":"https://new-1:10933/","Thumbprint":"AA"}}'`,
				"show.sh": "echo reached"}))
			w.process(step("Change", "change.sh", ""), healthStep("web", test.properties), step("Show", "show.sh", "web"))
			d := w.create()
			w.Advance(time.Minute)
			log, task := w.log(d), w.task(d)
			if task.State != test.state {
				t.Errorf("expected %s, got %s: %s\n%s", test.state, task.State, task.ErrorMessage, log)
			}
			for _, target := range []string{"old-1", "old-2", "new-1"} {
				if got := strings.Contains(log, target+": reached"); got != slices.Contains(test.reached, target) {
					t.Errorf("%s: got %v\n%s", target, got, log)
				}
			}
		})
	}
}

// blocked is a script that waits for an answer which never comes: its child holds a request open.
func blocked(t *testing.T) (script string, began, ended <-chan struct{}) {
	t.Helper()
	started, over := make(chan struct{}, 1), make(chan struct{}, 1)
	receiver := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-r.Context().Done()
		over <- struct{}{}
	})
	return "trap '' TERM INT HUP\n(trap '' TERM; curl -sS '" + receiver + "')\necho unreachable", started, over
}

func await(t *testing.T, what string, signal <-chan struct{}) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(20 * time.Second):
		t.Fatalf("waited too long until %s", what)
	}
}

func TestCancelledScripts(t *testing.T) {
	t.Parallel()
	for name, speed := range map[string]float64{"manual time": 0, "running clock": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newScripted(t, simulator.Options{Speed: speed})
			script, began, ended := blocked(t)
			w.upload(zipped(t, map[string]string{"run.sh": script, "never.sh": "echo never"}))
			w.process(step("Run", "run.sh", ""), step("Never", "never.sh", ""))
			d := w.create()
			advanced := make(chan struct{})
			if speed > 0 {
				w.Start(t.Context())
				close(advanced)
			} else {
				go func() { w.Advance(time.Minute); close(advanced) }()
			}
			await(t, "the script runs", began)
			if task := w.task(d); task.State != "Executing" {
				t.Errorf("expected the task to execute while its script runs, got %s", task.State)
			}
			w.call(http.MethodPost, "/api/tasks/"+d.TaskID+"/cancel", nil, 200)
			await(t, "the script's children have ended", ended)
			await(t, "time goes on", advanced)
			w.Advance(time.Minute)
			if task, log := w.task(d), w.log(d); task.State != "Canceled" || strings.Contains(log, "never") || strings.Contains(log, "unreachable") {
				t.Errorf("expected a cancelled task and no further step, got %s\n%s", task.State, log)
			}
		})
	}
}

func TestScriptsAreBounded(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{Switches: simulator.Switches{ScriptTimeout: 300 * time.Millisecond}})
	script, _, _ := blocked(t)
	task, _ := w.run(script)
	if task.State != "Failed" || !strings.Contains(task.ErrorMessage, "run.sh did not end within 300ms and was stopped") {
		t.Errorf("expected the script to be stopped, got %s: %s", task.State, task.ErrorMessage)
	}
}

func TestClosingEndsScripts(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{Speed: 1000})
	script, began, ended := blocked(t)
	w.upload(zipped(t, map[string]string{"run.sh": script}))
	w.process(step("Run", "run.sh", ""))
	w.create()
	w.Start(t.Context())
	await(t, "the script runs", began)
	w.Close()
	await(t, "the script's children have ended", ended)
}

// What a script leaves running in the background neither holds up the deployment nor outlives it.
func TestScriptsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	ended := make(chan struct{}, 1)
	receiver := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended <- struct{}{}
	})
	task, log := w.run("curl -sS '" + receiver + "' &\necho working in $PWD")
	if task.State != "Success" {
		t.Errorf("expected success, got %s: %s", task.State, task.ErrorMessage)
	}
	await(t, "the background process has ended", ended)
	_, folder, _ := strings.Cut(log, "working in ")
	folder, _, _ = strings.Cut(folder, "\n")
	if _, err := os.Stat(folder); folder == "" || !os.IsNotExist(err) {
		t.Errorf("expected the working folder %q to be removed, got %v", folder, err)
	}
}

func TestScriptsThatSayTooMuch(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	task, log := w.run(`yes | head -n 20000; printf '%040000d' 7; printf 'the last line has no end'`)
	if lines := strings.Count(log, "\n"); task.State != "Success" || lines > 10_100 || !strings.Contains(log, "The script says too much") {
		t.Errorf("expected a shortened log, got %s with %d lines", task.State, lines)
	}
	_, log = w.run(`printf '%040000d' 7; printf 'the last line has no end'`)
	if !strings.Contains(log, "the last line has no end") {
		t.Error("expected the last line of the output")
	}
}

// Without being asked to, the stand-in runs nothing that was uploaded.
func TestScriptsStaySimulated(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	inline := step("Inline", "", "")
	inline.Actions[0].Properties["Octopus.Action.Script.ScriptSource"] = core.NewPropertyValue("Inline", false)
	inline.Actions[0].Properties["Octopus.Action.Script.ScriptBody"] = core.NewPropertyValue("exit 9", false)
	onTarget := step("On the target", "run.sh", "web")
	onTarget.Actions[0].Properties["Octopus.Action.RunOnServer"] = core.NewPropertyValue("False", false)
	w.upload(zipped(t, map[string]string{"run.sh": "exit 9", "real.sh": "echo real"}))
	w.process(inline, onTarget, step("Real", "real.sh", ""))
	d := w.create()
	w.Advance(time.Minute)
	if task, log := w.task(d), w.log(d); task.State != "Success" || !strings.Contains(log, "| real") {
		t.Errorf("expected only the script of a package on the server to run, got %s: %s\n%s", task.State, task.ErrorMessage, log)
	}
	off := newServer(t, simulator.Options{})
	other := &scripted{world: off, client: off.client("Spaces-1"), environment: must[string](t)(off.AddEnvironment("Development"))}
	id := must[string](t)(off.AddProject(simulator.ProjectOptions{Name: "Infrastructure", LifecycleID: "Lifecycles-1", ProjectGroupID: "ProjectGroups-1"}))
	other.project = must[*projects.Project](t)(projects.GetByID(other.client, "Spaces-1", id))
	if task, _ := other.run("exit 9"); task.State != "Success" || len(off.JournalOf(simulator.ScriptRun)) > 0 {
		t.Errorf("expected no script to run, got %s: %s", task.State, task.ErrorMessage)
	}
}

// A fault that was asked for fails the deployment before its scripts have done anything.
func TestFaultsComeBeforeScripts(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.FailDeployment}); err != nil {
		t.Fatal(err)
	}
	if task, log := w.run("echo ran"); task.State != "Failed" || strings.Contains(log, "ran") {
		t.Errorf("expected a failure and no script, got %s\n%s", task.State, log)
	}
	if task, log := w.run("echo ran"); task.State != "Success" || !strings.Contains(log, "ran") {
		t.Errorf("expected the next one to succeed, got %s\n%s", task.State, log)
	}
}

// PowerShell is not on every machine: the test brings what stands in for it, which shows what it
// was given.
func TestPowerShell(t *testing.T) {
	bash := must[string](t)(exec.LookPath("bash"))
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "pwsh"), []byte("#!"+bash+"\necho \"$@\"\nwhile IFS= read -r line; do echo \"$line\"; done < \"${@: -1}\"\nexit 5\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newScripted(t, simulator.Options{})
	w.variable("Greeting", "hello", false)
	w.upload(zipped(t, map[string]string{"it's.ps1": "Write-Host hi"}))
	w.process(step("Run", "it's.ps1", ""))

	t.Setenv("PATH", folder)
	d := w.create()
	w.Advance(time.Minute)
	if task, log := w.task(d), w.log(d); task.State != "Failed" || !strings.Contains(task.ErrorMessage, "returned exit code 5") ||
		!strings.Contains(log, "-NonInteractive -File") || !strings.Contains(log, "$OctopusParameters[(ConvertFrom-OctopusText 'R3JlZXRpbmc=')] = ConvertFrom-OctopusText 'aGVsbG8='") ||
		!strings.Contains(log, ". './it''s.ps1'") {
		t.Errorf("expected pwsh to be given the variables and the script, got %s: %s\n%s", task.State, task.ErrorMessage, log)
	}

	t.Setenv("PATH", t.TempDir())
	d = w.create()
	w.Advance(time.Minute)
	if task := w.task(d); task.State != "Failed" || !strings.Contains(task.ErrorMessage, "it's.ps1 needs pwsh, which this machine does not have") {
		t.Errorf("expected a clear sentence, got %s: %s", task.State, task.ErrorMessage)
	}
}

// A PUT without a sensitive value keeps it, and a release keeps what was true when it was made.
func TestScriptsGetSensitiveValues(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	w.variable("Secret", "first", true)
	digest := func(want string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(want))) }
	const script = "printf %s \"$(get_octopusvariable Secret)\" | sha256sum"
	if _, log := w.run(script); !strings.Contains(log, digest("first")) {
		t.Errorf("expected the script to get the value:\n%s", log)
	}
	path, set := w.setOf(w.project.ID)
	set["Variables"] = append(set["Variables"].([]any), object{"Name": "Other", "Value": "x"})
	w.call(http.MethodPut, path, set, 200) // the sensitive value went out as null and comes back as null
	frozen := w.create()
	w.variable("Third", "x", false) // the official client sends "" for what it does not know
	if _, log := w.run(script); !strings.Contains(log, digest("first")) {
		t.Errorf("expected the value to be kept:\n%s", log)
	}
	_, set = w.setOf(w.project.ID)
	set["Variables"].([]any)[0].(object)["Value"] = "second"
	w.call(http.MethodPut, path, set, 200)
	if _, log := w.run(script); !strings.Contains(log, digest("second")) {
		t.Errorf("expected the new value:\n%s", log)
	}
	if log := w.log(frozen); !strings.Contains(log, digest("first")) {
		t.Errorf("expected the release to have frozen the value of its time:\n%s", log)
	}
}

func TestScopesOfVariables(t *testing.T) {
	t.Parallel()
	w := newScripted(t, simulator.Options{})
	must[string](t)(w.AddEnvironment("Elsewhere"))
	for _, name := range []string{"web-1", "web-2"} {
		must[string](t)(w.AddTarget(simulator.TargetOptions{Name: name, EnvironmentID: w.environment, Roles: []string{"web"}, Healthy: true}))
	}
	path, set := w.setOf(w.project.ID)
	set["Variables"] = []object{
		{"Name": "Colour", "Value": "grey"},
		{"Name": "Colour", "Value": "green", "Scope": object{"Environment": []string{w.environment}}},
		{"Name": "Colour", "Value": "red", "Scope": object{"Environment": []string{"Environments-2"}, "Machine": []string{"Machines-2"}}},
		{"Name": "Colour", "Value": "blue", "Scope": object{"Machine": []string{"Machines-2"}, "Role": []string{}}},
		{"Name": "Circle", "Value": "#{Circle}#{Circle}"},
	}
	w.call(http.MethodPut, path, set, 200)
	w.upload(zipped(t, map[string]string{"run.sh": `echo "$(get_octopusvariable Octopus.Action.Name): $(get_octopusvariable Colour)"`}))
	w.process(step("Server", "run.sh", ""), step("Targets", "run.sh", "web"))
	d := w.create()
	w.Advance(time.Minute)
	for _, want := range []string{"| Server: green", "web-1: Targets: green", "web-2: Targets: blue"} {
		if log := w.log(d); !strings.Contains(log, want) {
			t.Errorf("expected %q in the log:\n%s", want, log)
		}
	}
}
