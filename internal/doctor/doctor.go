package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"regrow/internal/config"
	"regrow/internal/pipeline"
)

// Options say what to look at and through what.
type Options struct {
	// ConfigFile is the name of the configuration file, for messages.
	ConfigFile string
	// LoadConfig reads it; its error is of type config.Problems when something in
	// it is wrong.
	LoadConfig func() (*config.Config, error)
	// Pipeline restricts the examination to what one pipeline needs; "" means
	// everything.
	Pipeline string
	// OpenDatabase connects to the configured database.
	OpenDatabase func(ctx context.Context, url string) (Database, error)
	// OpenOctopus makes the client of a server. It sends nothing yet.
	OpenOctopus func(config.Server) (Octopus, error)
	// Transport sends the request to the public URL; nil means the standard one.
	Transport http.RoundTripper
	// Now is this machine's clock; nil means time.Now.
	Now func() time.Time
	// Tries is how often something is asked of Octopus as long as the failure
	// may pass by itself; 0 means 6.
	Tries int
	// CheckTimeout bounds each check; 0 means 2 minutes. Regrow's own limit of
	// requests to a server makes checks wait for each other.
	CheckTimeout time.Duration
	// Progress, where it is not nil, is told after each check how many of all are
	// done and what is looked at.
	Progress func(done, all int, scope string)
	// Found, where it is not nil, is told the checks of each scope as soon as
	// they and those before them are done. Both are called one at a time.
	Found func(scope string, checks []Check)
}

// parallel is how many checks are under way at once.
const parallel = 8

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tries == 0 {
		o.Tries = 6
	}
	if o.CheckTimeout == 0 {
		o.CheckTimeout = 2 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	if o.Found == nil {
		o.Found = func(string, []Check) {}
	}
	return o
}

// Examine looks at everything and returns what it found. It fails only when it
// was asked for something that is not there, or ctx is cancelled.
func Examine(ctx context.Context, o Options) (Report, error) {
	e := &examination{Options: o.withDefaults(), hide: strings.NewReplacer()}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loaded, err := e.LoadConfig()
	if err != nil {
		return newReport(e.run(ctx, []group{e.withoutConfig(err)})), ctx.Err()
	}
	e.config, e.hide = loaded, hideSecrets(loaded)
	e.pipelines, err = e.chosen()
	if err != nil {
		return Report{}, err
	}
	checks := e.run(ctx, e.groups(ctx))
	e.close()
	return newReport(checks), ctx.Err()
}

// close gives back what was opened.
func (e *examination) close() {
	e.database.close()
	for _, s := range e.servers {
		if client, ok := s.opened.had(); ok {
			client.Close()
		}
	}
}

// examination is one round of looking.
type examination struct {
	Options
	config *config.Config
	// pipelines are those that are looked at.
	pipelines []pipeline.Pipeline
	servers   map[string]*server
	database  *databaseFacts
	// hide takes secrets out of what is found, wherever they came from.
	hide *strings.Replacer
}

// UnknownPipelineError says that no pipeline has the name that was asked for.
type UnknownPipelineError struct {
	Name  string
	Known []string
}

func (e *UnknownPipelineError) Error() string {
	return fmt.Sprintf("no pipeline is named %q; known are %s", e.Name, strings.Join(e.Known, ", "))
}

// chosen returns the pipelines to look at.
func (e *examination) chosen() ([]pipeline.Pipeline, error) {
	if e.Pipeline == "" {
		return e.config.Pipelines, nil
	}
	var known []string
	for _, p := range e.config.Pipelines {
		if p.Name == e.Pipeline {
			return []pipeline.Pipeline{p}, nil
		}
		known = append(known, p.Name)
	}
	return nil, &UnknownPipelineError{Name: e.Pipeline, Known: known}
}

// groups returns all that is to be looked at, in the order of the report.
func (e *examination) groups(ctx context.Context) []group {
	e.database = e.newDatabaseFacts(ctx)
	e.servers = make(map[string]*server)
	groups := []group{e.own()}
	for _, s := range e.config.Servers {
		if e.concernsServer(s.Name) {
			e.servers[s.Name] = e.newServer(ctx, s)
			groups = append(groups, e.servers[s.Name].group())
		}
	}
	for _, s := range e.config.Sources {
		if e.concernsSource(s) {
			groups = append(groups, e.newSource(s).group())
		}
	}
	for _, p := range e.pipelines {
		groups = append(groups, e.newPatient(ctx, p).group())
	}
	return groups
}

// concernsServer tells whether a server is looked at: with a pipeline chosen,
// only the pipeline's own.
func (e *examination) concernsServer(name string) bool {
	return e.Pipeline == "" || e.pipelines[0].Server.Name == name
}

func (e *examination) concernsSource(s config.Source) bool {
	return e.Pipeline == "" || s.Name == e.pipelines[0].Source || s.Kind == config.Octopus && s.Server == e.pipelines[0].Server.Name
}

// fedBy returns the names of all pipelines that take commits from a source.
func (e *examination) fedBy(source string) []string {
	return e.pipelinesThat(func(p pipeline.Pipeline) bool { return p.Source == source })
}

// on returns the names of all pipelines that use a server.
func (e *examination) on(server string) []string {
	return e.pipelinesThat(func(p pipeline.Pipeline) bool { return p.Server.Name == server })
}

// oneOn returns a pipeline through which setup changes what all on a server
// share.
func (e *examination) oneOn(server string) string {
	switch names := e.on(server); {
	case e.Pipeline != "":
		return e.Pipeline
	case len(names) > 0:
		return names[0]
	default:
		return "NAME"
	}
}

func (e *examination) pipelinesThat(hold func(pipeline.Pipeline) bool) []string {
	var names []string
	for _, p := range e.config.Pipelines {
		if hold(p) {
			names = append(names, p.Name)
		}
	}
	return names
}
