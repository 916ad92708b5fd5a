package webhook

import (
	"net/url"
	"regexp"
	"strings"

	"regrow/internal/pipeline"
)

var (
	// shaPattern takes abbreviated ids as well as those of SHA-256 repositories.
	shaPattern  = regexp.MustCompile(`^[0-9a-fA-F]{7,64}$`)
	zeroPattern = regexp.MustCompile(`^0+$`)
)

// judge returns the commit as the one that may start runs, or the reason why it
// cannot start any.
func judge(c pipeline.Commit, deleted bool) (commits []pipeline.Commit, ignored string) {
	switch {
	case deleted || zeroPattern.MatchString(c.SHA):
		return nil, refName(c) + " was deleted"
	case c.Branch() == "":
		return nil, refName(c) + " was pushed; only branches start runs"
	}
	return []pipeline.Commit{c}, ""
}

// refName says in words what a commit's reference is.
func refName(c pipeline.Commit) string {
	switch {
	case c.Branch() != "":
		return "branch " + shown(c.Branch())
	case c.Tag() != "":
		return "tag " + shown(c.Tag())
	}
	return "reference " + shown(c.Ref)
}

// sha returns a commit id, in lower case as Git writes it.
func (d *document) sha(pointer string) string {
	text := d.text(pointer)
	if !shaPattern.MatchString(text) {
		d.unexpected(pointer, "a commit id of 7 to 64 hexadecimal digits")
	}
	return strings.ToLower(text)
}

// link returns an address that is safe to show as a link, or "".
func (d *document) link(pointer string) string {
	text := d.optionalText(pointer)
	if text == "" {
		return ""
	}
	address, err := url.Parse(text)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		d.unexpected(pointer, "an http or https URL")
	}
	return text
}
