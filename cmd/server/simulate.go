package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"regrow/internal/simulator"
)

func newSimulate(s *streams) *cobra.Command {
	var (
		listen  string
		options simulator.Options
		scene   simulator.HelloWorldOptions
		empty   bool
	)
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a stand-in for an Octopus Server",
		Long: `Run a stand-in for an Octopus Server, in memory, for trying regrow out and for
tests. It answers Octopus' REST API and acts as Octopus does: deployments run,
targets are provisioned and checked, triggers auto-deploy, subscriptions call
back. It starts with the "Hello World" of the immutable-infrastructure guide.

It only acts as if it ran scripts, unless --run-scripts is given. Then scripts out
of uploaded packages, in steps that run on the server, really run: as the user of
this process, with nothing between them and this machine. So whoever may send
requests may run programs here, and the flag is refused for addresses that other
machines reach.

Under /simulator it can be steered: faults, clock, journal, state. docs/simulator.md
tells how, and what only a real server can confirm.`,
		Example: `  regrow simulate
  regrow simulate --speed 60 --webhook-url http://127.0.0.1:8080/webhooks/octopus --webhook-secret s3cret-value
  regrow simulate --empty --run-scripts
  curl -s -H 'X-Octopus-ApiKey: API-SIMULATOR' http://127.0.0.1:8065/simulator/journal`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(checkSpeed(options.Speed), checkScene(scene), checkScripts(options.RunScripts, listen)); err != nil {
				return err
			}
			return simulate(cmd.Context(), s, listen, options, scene, empty)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:8065", "address to listen on")
	flags.StringVar(&options.APIKey, "api-key", simulator.DefaultAPIKey, "API key that is accepted; it guards nothing of worth")
	flags.Float64Var(&options.Speed, "speed", 1, "seconds that pass in Octopus in one second")
	flags.StringVar(&options.BasePath, "base-path", "", `path that the server is mounted at, such as "/octopus"`)
	flags.BoolVar(&options.RunScripts, "run-scripts", false, "really run scripts out of uploaded packages, as this user; only on a loopback address")
	flags.BoolVar(&empty, "empty", false, "start without the Hello World scene")
	flags.IntVar(&scene.Targets, "targets", 2, "targets of the scene, and of each new generation")
	flags.StringVar(&scene.SubscriptionURL, "webhook-url", "", "where the scene's subscription posts events (default nowhere)")
	flags.StringVar(&scene.SubscriptionHeader, "webhook-header", "X-Regrow-Token", "header that carries the subscription's secret")
	flags.StringVar(&scene.SubscriptionSecret, "webhook-secret", "", "the subscription's secret")
	return cmd
}

// checkSpeed refuses clocks that stand still, run backwards or not at all.
func checkSpeed(speed float64) error {
	if speed > 0 && speed <= maxSpeed {
		return nil
	}
	return usagef("--speed: expected more than 0 and at most %d, got %g", maxSpeed, speed)
}

const maxSpeed = 100_000

func checkScene(scene simulator.HelloWorldOptions) error {
	if scene.Targets < 1 || scene.Targets > 1000 {
		return usagef("--targets: expected 1 to 1000, got %d", scene.Targets)
	}
	if scene.SubscriptionURL == "" {
		return nil
	}
	address, err := url.Parse(scene.SubscriptionURL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return usagef("--webhook-url: expected an address such as http://127.0.0.1:8080/webhooks/octopus, got %q", scene.SubscriptionURL)
	}
	return nil
}

// checkScripts refuses to run what other machines could upload.
func checkScripts(run bool, listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		host = listen
	}
	ip, err := netip.ParseAddr(host)
	if !run || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback() {
		return nil
	}
	return usagef("--run-scripts: expected --listen to be a loopback address such as 127.0.0.1:8065, got %q: whoever reaches it could run programs here", listen)
}

func simulate(ctx context.Context, s *streams, listen string, options simulator.Options, scene simulator.HelloWorldOptions, empty bool) error {
	options.Start = time.Now()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", listen, err)
	}
	options.PublicURL = "http://" + listener.Addr().String()
	octopus := simulator.New(options)
	defer octopus.Close()
	if !empty {
		if _, err := octopus.HelloWorld(scene); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	octopus.Start(ctx)
	server := &http.Server{Handler: octopus, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Fprintf(s.Out, "A simulated Octopus Server listens on %s%s; API key %s; its clock runs %g times as fast.\n",
		options.PublicURL, options.BasePath, options.APIKey, options.Speed)
	select {
	case <-ctx.Done():
		return server.Close()
	case err := <-ended:
		return err
	}
}
