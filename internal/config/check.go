package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"regrow/internal/pipeline"
)

// check looks at what no section can see by itself, and fills the pipelines'
// servers in.
func (r *reader) check(c *Config) {
	r.checkListen(c)
	r.checkTokens(c.API.Tokens)
	r.unique("servers", namesOf(c.Servers, func(s Server) string { return s.Name }))
	r.unique("sources", namesOf(c.Sources, func(s Source) string { return s.Name }))
	r.unique("pipelines", namesOf(c.Pipelines, func(p pipeline.Pipeline) string { return p.Name }))
	r.checkServers(c.Servers)
	r.checkSources(c)
	for i := range c.Pipelines {
		r.checkPipeline(c, i)
	}
	r.checkLanes(c.Pipelines)
	r.checkVersions(c.Pipelines)
}

func namesOf[T any](all []T, name func(T) string) []string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = name(one)
	}
	return names
}

// unique reports names that stand twice in a list. Wrong names are "" here.
func (r *reader) unique(list string, names []string) {
	for i, name := range names {
		if first := slices.Index(names, name); name != "" && first < i {
			path := index(list, i) + ".name"
			r.failAt(path, "duplicate name %s, first at %s", r.shown(path), index(list, first))
		}
	}
}

// checkListen wants tokens wherever others than this machine can connect.
func (r *reader) checkListen(c *Config) {
	if len(c.API.Tokens) > 0 || !r.opts.Development {
		return // outside of development mode, missing tokens are reported already
	}
	host, _, _ := net.SplitHostPort(c.Listen)
	if !isLoopback(host) {
		r.failAt("listen", "expected a loopback address such as 127.0.0.1:8080, because no api.tokens guard the API; got %s", r.shown("listen"))
		return
	}
	if _, stated := r.places["api.tokens"]; !stated {
		r.warnAt("api.tokens", "no tokens: everyone on this machine may start and cancel runs; only development mode allows it")
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (r *reader) checkTokens(tokens []Token) {
	r.unique("api.tokens", namesOf(tokens, func(t Token) string { return t.Name }))
	for i, token := range tokens {
		same := func(other Token) bool { return other.Token.Reveal() == token.Token.Reveal() }
		if first := slices.IndexFunc(tokens, same); first < i && !token.Token.IsZero() {
			r.failAt(index("api.tokens", i)+".token", "the same token as at %s; give each its own, so that it is known who came", index("api.tokens", first))
		}
	}
}

// checkServers warns of a space that stands in the file twice: each entry would
// count its requests by itself.
func (r *reader) checkServers(servers []Server) {
	key := func(s Server) string { return s.URL + " " + pipeline.Fold(s.Space) }
	for i, server := range servers {
		same := func(other Server) bool { return key(other) == key(server) }
		if first := slices.IndexFunc(servers, same); first < i && server.URL != "" && server.Space != "" {
			r.warnAt(index("servers", i), "the same server and space as at %s; their limits of requests do not know of each other", index("servers", first))
		}
	}
}

func (r *reader) checkSources(c *Config) {
	for i, source := range c.Sources {
		if source.Kind == Octopus && source.Server != "" {
			r.mustKnow(index("sources", i)+".server", "server", source.Server, namesOf(c.Servers, func(s Server) string { return s.Name }))
		}
	}
}

// mustKnow reports a reference to something that the file does not have.
func (r *reader) mustKnow(path, thing, name string, known []string) bool {
	if slices.Contains(known, name) {
		return true
	}
	if len(known) == 0 || slices.Contains(known, "") {
		return false // the list or a name in it is wrong itself; that comes first
	}
	r.failAt(path, "no %s is named %s%s; known are %s", thing, r.shown(path), suggestion(name, known), strings.Join(known, ", "))
	return false
}

func (r *reader) checkPipeline(c *Config, i int) {
	p, path := &c.Pipelines[i], index("pipelines", i)
	if p.Server.Name != "" && r.mustKnow(path+".server", "server", p.Server.Name, namesOf(c.Servers, func(s Server) string { return s.Name })) {
		server, _ := c.Server(p.Server.Name)
		p.Server = pipeline.Server{Name: server.Name, URL: server.URL, Space: server.Space}
	}
	if p.Source != "" {
		r.checkSource(c, p, path)
	}
	if pipeline.SameName(p.Application.Project, p.Infrastructure.Project) && p.Application.Project != "" {
		r.failAt(path+".application.project", "expected another project than infrastructure.project: one provisions the targets, the other deploys to them; got %s for both", r.shown(path+".application.project"))
	}
}

// checkSource checks that the pipeline's source sends commits, and what its
// versions are made of.
func (r *reader) checkSource(c *Config, p *pipeline.Pipeline, path string) {
	var senders []string
	for _, source := range c.Sources {
		if source.Kind != Octopus {
			senders = append(senders, source.Name)
		}
	}
	source, found := c.Source(p.Source)
	switch {
	case !found:
		r.mustKnow(path+".source", "source", p.Source, senders)
	case source.Kind == Octopus:
		r.failAt(path+".source", "expected a source that sends commits, got %s, which is of kind %s and only wakes runs that wait; known are %s", r.shown(path+".source"), Octopus, strings.Join(senders, ", "))
	case source.Kind == GitHub:
		r.checkGitHubVersions(p, path)
	}
}

// checkGitHubVersions refuses {version} where commits bring none.
func (r *reader) checkGitHubVersions(p *pipeline.Pipeline, path string) {
	for at, t := range templatesOf(p, path) {
		if t.Uses("version") {
			r.failAt(at, "%s holds {version}, but a GitHub push brings no version; use {run}, {commit} or {short_commit}, or a source of kind %s", r.shown(at), Generic)
		}
	}
}

// templatesOf yields every version template of the pipeline with its path.
func templatesOf(p *pipeline.Pipeline, path string) func(yield func(string, pipeline.Template) bool) {
	return func(yield func(string, pipeline.Template) bool) {
		parts := []struct {
			key      string
			version  pipeline.Template
			packages []pipeline.Package
		}{
			{".infrastructure", p.Infrastructure.Version, p.Infrastructure.Packages},
			{".application", p.Application.Version, p.Application.Packages},
		}
		for _, part := range parts {
			if !yield(path+part.key+".version", part.version) {
				return
			}
			for i, pkg := range part.packages {
				if !yield(fmt.Sprintf("%s%s.packages[%d].version", path, part.key, i), pkg.Version) {
					return
				}
			}
		}
	}
}
