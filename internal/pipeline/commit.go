package pipeline

import "strings"

// Commit is what a webhook (or an operator) says happened in a repository.
type Commit struct {
	// Repository is the full name as the sender spells it, for instance "acme/shop".
	Repository string `json:"repository"`
	// Ref is the full Git reference, for instance "refs/heads/main".
	Ref string `json:"ref"`
	// SHA is the full hexadecimal commit id.
	SHA string `json:"sha"`
	// Message is the commit message; may be empty where the sender has none.
	Message string `json:"message,omitempty"`
	// Author is a name, or a name and an address; may be empty.
	Author string `json:"author,omitempty"`
	// Version is the version that the build gave its packages; may be empty.
	Version string `json:"version,omitempty"`
	// URL leads to the commit for people; may be empty.
	URL string `json:"url,omitempty"`
}

const (
	branchPrefix = "refs/heads/"
	tagPrefix    = "refs/tags/"
)

// Branch returns the short name of the commit's branch, or "" when Ref does
// not name a branch.
func (c Commit) Branch() string {
	branch, ok := strings.CutPrefix(c.Ref, branchPrefix)
	if !ok {
		return ""
	}
	return branch
}

// Tag returns the short name of the commit's tag, or "" when Ref does not name
// a tag.
func (c Commit) Tag() string {
	tag, ok := strings.CutPrefix(c.Ref, tagPrefix)
	if !ok {
		return ""
	}
	return tag
}

// ShortSHA returns the first eight characters of the commit id.
func (c Commit) ShortSHA() string { return c.SHA[:min(8, len(c.SHA))] }

// BranchRef returns the full reference of a branch given by either name.
func BranchRef(name string) string {
	if strings.HasPrefix(name, "refs/") {
		return name
	}
	return branchPrefix + name
}
