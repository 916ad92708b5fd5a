package simulator_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/credentials"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/releases"

	"regrow/internal/simulator"
)

const (
	mainCommit  = "1111111111111111111111111111111111111111"
	otherCommit = "2222222222222222222222222222222222222222"
	oldCommit   = "3333333333333333333333333333333333333333"
)

var knownGit = &simulator.GitOptions{Branches: map[string]string{"main": mainCommit, "feature/Slashes": otherCommit, "refs/tags/v1": otherCommit}, Commits: []string{oldCommit}}

func TestOfficialClientAndProjectsInGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Git: knownGit})
	c := w.client("Spaces-1")
	project := must[*projects.Project](t)(projects.GetByID(c, "Spaces-1", w.scene.ProjectID))
	settings, is := project.PersistenceSettings.(projects.GitPersistenceSettings)
	if !project.IsVersionControlled || !is || settings.DefaultBranch() != "main" || settings.BasePath() != ".octopus/hello-world" {
		t.Fatalf("expected a project in Git, got %+v", project)
	}
	for _, ref := range []string{"", "main", "refs/heads/main", "feature/Slashes", "refs/heads/feature/Slashes", "refs/tags/v1", mainCommit, oldCommit[:10]} {
		process := must[*deployments.DeploymentProcess](t)(deployments.GetDeploymentProcessByGitRef(c, "Spaces-1", project, ref))
		if len(process.Steps) != 1 {
			t.Errorf("%q: expected the process, got %+v", ref, process)
		}
	}
	if _, err := deployments.GetDeploymentProcessByGitRef(c, "Spaces-1", project, "refs/heads/gone"); !isNotFound(err) {
		t.Errorf("expected a branch that does not exist, got %v", err)
	}
	if _, err := deployments.GetDeploymentProcessByID(c, "Spaces-1", project.DeploymentProcessID); !isNotFound(err) {
		t.Errorf("expected the process not to be found without a reference, got %v", err)
	}
	branches, err := c.Projects.GetGitBranches(project)
	if err != nil || len(branches) != 2 || branches[0].CanonicalName != "refs/heads/feature/Slashes" {
		t.Errorf("expected the branches, got %+v (%v)", branches, err)
	}

	command := releases.NewCreateReleaseCommandV1("Spaces-1", "Hello World")
	if _, err := releases.CreateReleaseV1(c, command); err == nil || !strings.Contains(err.Error(), "needs a Git reference") {
		t.Errorf("expected to be asked for a Git reference, got %v", err)
	}
	command.GitRef = "feature/Slashes"
	made := must[*releases.CreateReleaseResponseV1](t)(releases.CreateReleaseV1(c, command))
	if at := w.get("/api/Spaces-1/releases/" + made.ReleaseID)["VersionControlReference"].(object); at["GitRef"] != "feature/Slashes" || at["GitCommit"] != otherCommit {
		t.Errorf("expected where the release was read from, got %v", at)
	}
	v1 := deployments.NewCreateDeploymentUntenantedCommandV1("Spaces-1", "Hello World")
	v1.ReleaseVersion, v1.EnvironmentNames = made.ReleaseVersion, []string{"Development"}
	must[*deployments.CreateDeploymentResponseV1](t)(deployments.CreateDeploymentUntenantedV1(c, v1))
	w.Advance(time.Minute)
	if !w.allRun(w.Machines(), made.ReleaseID) {
		t.Errorf("expected the release on all targets, got %+v", w.Machines())
	}
	w.setOverride(made.ReleaseID) // overrides stay on the project's document
	if len(w.overrides()) != 1 {
		t.Errorf("expected an override, got %+v", w.overrides())
	}
}

func TestReleasesOfProjectsInGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Git: knownGit, InfrastructureGit: &simulator.GitOptions{}, NoInitialTargets: true})
	database := must[string](t)(w.AddProject(simulator.ProjectOptions{Name: "Database", LifecycleID: w.scene.LifecycleID, ProjectGroupID: w.scene.ProjectGroupID}))
	for name, test := range map[string]struct {
		project, ref, commit string
		want                 string // the commit, or what is refused
	}{
		"a branch":                       {w.scene.ProjectID, "refs/heads/main", "", mainCommit},
		"a branch by its short name":     {w.scene.ProjectID, "main", "", mainCommit},
		"a tag":                          {w.scene.ProjectID, "refs/tags/v1", "", otherCommit},
		"a commit":                       {w.scene.ProjectID, "", oldCommit, oldCommit},
		"a short commit":                 {w.scene.ProjectID, "refs/heads/main", oldCommit[:8], oldCommit},
		"neither":                        {w.scene.ProjectID, "", "", "needs a Git reference or a Git commit"},
		"a branch that is not there":     {w.scene.ProjectID, "refs/heads/gone", "", "The Git reference 'refs/heads/gone' was not found"},
		"a commit that is not there":     {w.scene.ProjectID, "refs/heads/main", strings.Repeat("4", 40), "The Git commit '4444"},
		"anything, where all is unknown": {w.scene.InfrastructureProjectID, "refs/heads/any/thing", "", ""},
		"any commit":                     {w.scene.InfrastructureProjectID, "", mainCommit, mainCommit},
		"no commit at all":               {w.scene.InfrastructureProjectID, "", "main", "The Git commit 'main' was not found"},
		"a reference without Git":        {database, "refs/heads/main", "", "is not version controlled"},
	} {
		body := object{"ProjectId": test.project, "Version": strings.ReplaceAll(name, " ", "-"), "VersionControlReference": object{"GitRef": nilIfEmpty(test.ref), "GitCommit": nilIfEmpty(test.commit)}}
		response, data, err := w.send(http.MethodPost, "/api/Spaces-1/releases", body)
		if err != nil {
			t.Fatal(err)
		}
		if made := response.StatusCode == http.StatusCreated; made != (len(test.want) == 40 || test.want == "") || !strings.Contains(string(data), test.want) {
			t.Errorf("%s: expected %q, got %s: %s", name, test.want, response.Status, data)
		}
	}
	plain := w.call(http.MethodPost, "/api/Spaces-1/releases", object{"ProjectId": database, "Version": "1", "VersionControlReference": object{}}, 201)
	if plain["VersionControlReference"] != nil {
		t.Errorf("expected no reference without Git, got %v", plain)
	}
	path := "/api/Spaces-1/projects/" + w.scene.InfrastructureProjectID
	for _, ref := range []string{url.PathEscape("refs/heads/x"), mainCommit} {
		if template := w.get(path + "/" + ref + "/deploymentprocesses/template?channel=Channels-2"); template["NextVersionIncrement"] == "" {
			t.Errorf("expected the template of the process at %s, got %v", ref, template)
		}
	}
	w.call(http.MethodGet, path+"/deploymentprocesses/template", nil, 404)
	w.call(http.MethodGet, path+"/deploymentprocesses", nil, 404)
	w.call(http.MethodGet, "/api/Spaces-1/projects/"+database+"/main/deploymentprocesses", nil, 404)
	w.call(http.MethodGet, "/api/Spaces-1/projects/"+database+"/git/branches", nil, 404)
	if _, err := w.AddRelease(w.scene.ProjectID, "9.9.9"); err != nil {
		t.Errorf("expected the builder to read the default branch, got %v", err)
	}
}

func TestOfficialClientMovesAProjectIntoGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client("Spaces-1")
	project := must[*projects.Project](t)(projects.GetByID(c, "Spaces-1", w.scene.ProjectID))
	repository, err := url.Parse("https://git.example/shop.git")
	if err != nil {
		t.Fatal(err)
	}
	settings := projects.NewGitPersistenceSettings(".octopus/shop", credentials.NewAnonymous(), "trunk", nil, repository)
	project = must[*projects.Project](t)(projects.ConvertToVCS(c, project, "Move in", "", settings))
	if got, is := project.PersistenceSettings.(projects.GitPersistenceSettings); !is || got.DefaultBranch() != "trunk" || got.URL().String() != repository.String() {
		t.Errorf("expected the settings, got %+v", project.PersistenceSettings)
	}
	if _, err := projects.ConvertToVCS(c, &projects.Project{Resource: project.Resource, SpaceID: "Spaces-1"}, "Again", "", settings); err == nil {
		t.Error("expected a second conversion to fail")
	}
	path := "/api/Spaces-1/projects/" + w.scene.ProjectID
	document := w.get(path)
	document["IsVersionControlled"] = false
	if w.call(http.MethodPut, path, document, 200)["IsVersionControlled"] != true {
		t.Error("expected the project to stay in Git")
	}
}
