package simulator

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// GitOptions make a project keep its process in Git. There is no repository behind it: the process
// is the same at every commit.
type GitOptions struct {
	URL           string            // default "https://git.example/<project>.git"
	DefaultBranch string            // default "main"
	BasePath      string            // default ".octopus/<project>"
	Branches      map[string]string // commits by the names of the branches and tags they are the tips of
	Commits       []string          // that exist besides
}

// repository is what is known of a project's Git. With no branches and commits known, all exist.
type repository struct {
	tips    map[string]string // commit by full reference
	commits []string
}

const versionControlled = "VersionControlled"

// inGit says whether a project keeps its process in Git.
func inGit(project document) bool { return project.flag("IsVersionControlled") }

// settings are the options as Octopus writes them (observed: the official client's own form).
func (o GitOptions) settings(projectName string) document {
	slug := slugOf(projectName)
	return document{"Type": versionControlled, "Url": orDefault(o.URL, "https://git.example/"+slug+".git"), "DefaultBranch": orDefault(o.DefaultBranch, "main"),
		"BasePath": orDefault(o.BasePath, ".octopus/"+slug), "Credentials": document{"Type": "Anonymous"}, "ProtectedDefaultBranch": false,
		"ProtectedBranchNamePatterns": []string{}, "ConversionState": document{"VariablesAreInGit": false, "RunbooksAreInGit": false}}
}

func (o GitOptions) repository() repository {
	known := repository{tips: map[string]string{}, commits: slices.Clone(o.Commits)}
	for name, commit := range o.Branches {
		known.tips[fullReference(name)] = commit
		known.commits = append(known.commits, commit)
	}
	return known
}

// fullReference is the whole name of a branch. Other references bring theirs along.
func fullReference(name string) string {
	if strings.HasPrefix(strings.ToLower(name), "refs/") {
		return name
	}
	return "refs/heads/" + name
}

// commitHash is a whole commit hash, or enough of one.
var commitHash = regexp.MustCompile(`^[0-9a-fA-F]{7,64}$`)

// gitError is a state of a project's repository that does not exist, in a sentence.
type gitError string

func (e gitError) Error() string { return string(e) }

// resolve finds the commit that a reference, a commit or both name in a project's repository.
func (s *Server) resolve(project document, ref, commit string) (string, error) {
	known := s.repositories[project.id()]
	anything := len(known.tips)+len(known.commits) == 0
	if commit != "" {
		full := slices.IndexFunc(known.commits, func(c string) bool { return commitHash.MatchString(commit) && strings.HasPrefix(c, commit) })
		switch {
		case full >= 0:
			return known.commits[full], nil
		case anything && commitHash.MatchString(commit):
			return commit, nil
		}
		return "", gitError(fmt.Sprintf("The Git commit '%s' was not found in the repository of project '%s'.", commit, project.text("Name")))
	}
	for name, tip := range known.tips {
		if strings.EqualFold(name, fullReference(ref)) {
			return tip, nil
		}
	}
	if anything {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(project.id()+" "+fullReference(ref))))[:40], nil
	}
	return "", gitError(fmt.Sprintf("The Git reference '%s' was not found in the repository of project '%s'.", ref, project.text("Name")))
}

// checkGit says what is wrong with where a new release is to be read from, and completes it with
// the commit that it comes to.
func (c *call) checkGit(release, project document) []string {
	at := release.object("VersionControlReference")
	ref, commit := at.text("GitRef"), at.text("GitCommit")
	switch {
	case !inGit(project) && ref+commit != "":
		return []string{fmt.Sprintf("Project '%s' is not version controlled: a release of it has no Git reference.", project.text("Name"))}
	case !inGit(project):
		release["VersionControlReference"] = nil
		return nil
	case ref+commit == "":
		return []string{fmt.Sprintf("Project '%s' is version controlled: a release of it needs a Git reference or a Git commit.", project.text("Name"))}
	}
	found, err := c.resolve(project, ref, commit)
	if err != nil {
		return []string{err.Error()}
	}
	release["VersionControlReference"] = document{"GitRef": nilIfEmpty(ref), "GitCommit": found}
	return nil
}

func nilIfEmpty(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// gitReference is the one that the path names, with its slashes.
func (c *call) gitReference() string {
	ref, err := url.PathUnescape(c.param("gitRef"))
	if err != nil {
		return c.param("gitRef")
	}
	return ref
}

// atGitReference finds the project of a path and makes sure that it has the path's reference, be
// it a branch or a commit.
func (s *Server) atGitReference(h func(*call, document) (reply, error)) handler {
	return s.ofProject(func(c *call, p document) (reply, error) {
		ref := c.gitReference()
		if !inGit(p) {
			return reply{}, notFound(ref)
		}
		_, err := c.resolve(p, ref, "")
		if err != nil && commitHash.MatchString(ref) {
			_, err = c.resolve(p, "", ref)
		}
		if err != nil {
			return reply{}, &problem{status: http.StatusNotFound, message: err.Error()}
		}
		return h(c, p)
	})
}

func (s *Server) gitRoutes(r chi.Router) {
	s.get(r, "/projects/{project}/{gitRef}/deploymentprocesses", s.atGitReference(func(c *call, p document) (reply, error) {
		return ok(c.show(c.kinds["deploymentprocesses"], c.documents["deploymentprocesses"].get(p.text("DeploymentProcessId"))))
	}))
	s.get(r, "/projects/{project}/{gitRef}/deploymentprocesses/template", s.atGitReference(releaseTemplate))
	s.post(r, "/projects/{project}/git/convert", s.ofProject(convertToGit))
	s.get(r, "/projects/{project}/git/branches", s.ofProject(func(c *call, p document) (reply, error) {
		if !inGit(p) {
			return reply{}, notFound("branches")
		}
		return ok(c.page("GitBranch", projectPath(p)+"/git/branches{?skip,take,searchByName,refresh}", c.branches(p)))
	}))
}

// convertToGit moves the process of a project into Git, for good.
func convertToGit(c *call, p document) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	settings := request.object("VersionControlSettings")
	switch {
	case inGit(p):
		return reply{}, invalid("The project is version controlled already.")
	case settings.text("Url") == "":
		return reply{}, invalid("The version control settings need the Url of a repository.")
	}
	c.keepInGit(p, GitOptions{URL: settings.text("Url"), DefaultBranch: settings.text("DefaultBranch"), BasePath: settings.text("BasePath")})
	c.noteDocument(DocumentUpdated, "Modified", c.kinds["projects"], p)
	return ok(document{"Messages": []string{}})
}

func (s *Server) keepInGit(project document, o GitOptions) {
	project["IsVersionControlled"], project["PersistenceSettings"] = true, o.settings(project.text("Name"))
	s.repositories[project.id()] = o.repository()
}

// branches are a project's branches by name; the default one, when none are known.
func (c *call) branches(project document) []any {
	names := slices.Sorted(maps.Keys(c.repositories[project.id()].tips))
	if len(names) == 0 {
		names = []string{fullReference(project.object("PersistenceSettings").text("DefaultBranch"))}
	}
	found := []any{}
	for _, full := range names {
		name, isBranch := strings.CutPrefix(full, "refs/heads/")
		if isBranch && strings.Contains(strings.ToLower(name), strings.ToLower(c.query.text("searchByName"))) {
			found = append(found, document{"Name": name, "CanonicalName": full, "IsProtected": false, "Links": map[string]string{
				"DeploymentProcess": c.link(projectPath(project) + "/" + url.PathEscape(full) + "/deploymentprocesses")}})
		}
	}
	return found
}
