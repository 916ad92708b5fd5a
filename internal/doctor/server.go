package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"regrow/internal/config"
	"regrow/internal/octopus"
)

const (
	// oldestVersion is what regrow was written for: before it, requests that it
	// makes have another form.
	oldestVersion = "2020.1"
	// builtAgainst is the range of versions that regrow was built against.
	builtAgainst = "2024.2 to 2026.3"
	// reachTimeout bounds the first talk to a server or to the database: where
	// nothing answers at all, people should not wait long to hear it.
	reachTimeout = 20 * time.Second
)

// server is what is known of one space of an Octopus Server.
type server struct {
	*examination
	config.Server
	scope string

	// opened is the client, whether the server answers or not.
	opened *fact[steadfast]
	// client belongs to the check octopus, and is there when the server answers
	// at all; signedIn belongs to api-key, ready to space.
	client      *fact[steadfast]
	signedIn    *fact[steadfast]
	ready       *fact[steadfast]
	info        *fact[octopus.ServerInfo]
	permissions *fact[octopus.Permissions]
}

func (e *examination) newServer(ctx context.Context, c config.Server) *server {
	s := &server{examination: e, Server: c, scope: "server " + c.Name}
	at := func(id string) string { return fmt.Sprintf("%s (%s)", id, s.scope) }
	known := newMemory(ctx)
	s.opened = newFact(ctx, at(idOctopus), func(context.Context) (steadfast, error) {
		client, err := e.OpenOctopus(c)
		return steadfast{client, e.Tries, known}, err
	})
	s.info = newFact(ctx, at(idOctopus), func(ctx context.Context) (octopus.ServerInfo, error) {
		client, err := s.opened.get(ctx)
		if err != nil {
			return octopus.ServerInfo{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, reachTimeout)
		defer cancel()
		return again(ctx, client, client.Octopus.Ping)
	})
	// One request proves three things, one after the other.
	proof := func(id string, before *fact[steadfast], disproved func(error) bool) *fact[steadfast] {
		return newFact(ctx, at(id), func(ctx context.Context) (steadfast, error) {
			if before != nil {
				if _, err := before.need(ctx); err != nil {
					return steadfast{}, err
				}
			}
			if _, err := s.info.get(ctx); err != nil && disproved(err) {
				return steadfast{}, err
			}
			return s.opened.get(ctx)
		})
	}
	s.client = proof(idOctopus, nil, func(err error) bool { return !refusesKey(err) && !octopus.IsNotFound(err) })
	s.signedIn = proof(idAPIKey, s.client, refusesKey)
	s.ready = proof(idSpace, s.signedIn, octopus.IsNotFound)
	s.permissions = newFact(ctx, at(idPermissions), func(ctx context.Context) (octopus.Permissions, error) {
		client, err := s.ready.need(ctx)
		if err != nil {
			return octopus.Permissions{}, err
		}
		return client.Permissions(ctx)
	})
	return s
}

// refusesKey tells whether the server answered and would not take the API key.
func refusesKey(err error) bool {
	e, ok := errors.AsType[*octopus.Error](err)
	return ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

func (s *server) group() group {
	return group{s.scope, []check{
		{idOctopus, s.answers},
		{idVersion, s.version},
		{idAPIKey, s.keyIsValid},
		{idSpace, s.spaceExists},
		{idClock, s.clockIsRight},
		{idCallbacks, s.callsBack},
	}}
}

func (s *server) answers(ctx context.Context) (finding, error) {
	if _, err := s.client.get(ctx); err != nil {
		return failed(err), nil
	}
	return fine("Octopus Server answers at %s.", s.URL), nil
}

// failed makes an error of what was asked for of an operation of Octopus.
func failed(err error) finding {
	if failure, ok := errors.AsType[*octopus.Error](err); ok {
		return wrong("%s.", capitalized(failure.Message)).with("%s", failure.Remedy)
	}
	return wrong("%s.", capitalized(err.Error()))
}

func (s *server) version(ctx context.Context) (finding, error) {
	if _, err := s.client.need(ctx); err != nil {
		return finding{}, err
	}
	info, err := s.info.get(ctx)
	if err != nil {
		return finding{}, &gap{check: idAPIKey, cause: err} // the server tells who may ask
	}
	const remedy = "try a run in a test environment first; docs/octopus.md says what regrow needs of Octopus"
	switch compared, ok := compareVersions(info.Version, oldestVersion); {
	case !ok:
		return warned("Octopus Server has the version %q, which is of no known form; regrow was built against %s.", info.Version, builtAgainst).with(remedy), nil
	case compared < 0:
		return warned("Octopus Server has the version %s, which is older than %s; regrow was built against %s.", info.Version, oldestVersion, builtAgainst).
			with("bring the server to a later version, or " + remedy), nil
	default:
		return fine("Octopus Server has the version %s; regrow was built against %s.", info.Version, builtAgainst), nil
	}
}

// compareVersions compares the year and the release of two versions such as
// 2024.2.9409. With false, one of them is no such version.
func compareVersions(a, b string) (compared int, ok bool) {
	x, ok := release(a)
	y, okToo := release(b)
	return x - y, ok && okToo
}

// release returns the year and the release of a version as one number. Octopus
// docs: versions are YYYY.release.build, with a suffix before a release.
func release(version string) (int, bool) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return 0, false
	}
	year, errYear := strconv.Atoi(parts[0])
	number, errNumber := strconv.Atoi(parts[1])
	// Versions before 2018 began with a small number.
	return year*1000 + number, errYear == nil && errNumber == nil && year > 0 && number >= 0 && number < 1000
}

func (s *server) keyIsValid(ctx context.Context) (finding, error) {
	switch _, err := s.signedIn.get(ctx); {
	case err == nil:
		return fine("The API key is valid."), nil
	case isGap(err), ctx.Err() != nil:
		return finding{}, err
	default:
		return wrong("Octopus Server does not take the API key.").
			with("make a key in Octopus under your service account, My API Keys, and set api_key of the server %q", s.Name).
			listing([]string{capitalized(err.Error()) + "."}), nil
	}
}

func (s *server) spaceExists(ctx context.Context) (finding, error) {
	switch _, err := s.ready.get(ctx); {
	case err == nil:
		return fine("The space %q is there.", s.Space), nil
	case isGap(err), ctx.Err() != nil:
		return finding{}, err
	default:
		return wrong("There is no space %q, or the API key's user does not see it.", s.Space).
			with("correct space of the server %q, or add the user to a team of that space", s.Name), nil
	}
}

// clockIsRight compares the server's clock with this machine's.
func (s *server) clockIsRight(ctx context.Context) (finding, error) {
	client, err := s.client.need(ctx)
	if err != nil {
		return finding{}, err
	}
	reading, err := again(ctx, client, func(ctx context.Context) (skew, error) {
		// One try: what several take would all be taken for equal.
		before := s.Now()
		theirs, err := client.Octopus.ServerTime(ctx)
		return skew{what: "Octopus Server", between: [2]time.Time{before, s.Now()}, theirs: theirs, grain: time.Second}, err
	})
	if err != nil {
		return finding{}, err
	}
	return reading.judge(), nil
}

// callsBack tells whether any source takes what the server's subscription sends.
func (s *server) callsBack(context.Context) (finding, error) {
	for _, source := range s.config.Sources {
		if source.Kind == config.Octopus && source.Server == s.Name {
			return fine("The source %q takes the events of this server.", source.Name), nil
		}
	}
	if len(s.on(s.Name)) == 0 {
		return noted("No pipeline uses this server."), nil
	}
	return noted("No source of kind octopus takes the events of this server: runs look by themselves, every %s.", s.config.Reconcile.Interval).
		with("add a source of kind octopus for it, then run regrow setup --pipeline %s", s.oneOn(s.Name)), nil
}
