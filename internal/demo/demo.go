package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"regrow/internal/app"
	"regrow/internal/client"
	"regrow/internal/config"
	"regrow/internal/simulator"
	"regrow/internal/terminal"
)

// Options vary the demonstration.
type Options struct {
	// Out is where people look.
	Out io.Writer
	// Log takes the process's log.
	Log io.Writer
	// Listen is the address of regrow. When it is taken, a free port is used.
	Listen string
	// Speed is how many seconds pass in Octopus in one second.
	Speed float64
	// Once ends the demonstration with the run; without it everything stays up
	// until the context ends.
	Once    bool
	Version string
	// Program is how the binary was called, for the commands that are suggested.
	Program string
}

//go:embed regrow.yaml
var configuration []byte

// stopTime bounds the end of the demonstration.
const stopTime = 15 * time.Second

// demo is a running demonstration.
type demo struct {
	Options
	secrets   secrets
	simulator *simulator.Server
	octopus   *http.Server
	address   string // of the simulator
	app       *app.App
	api       *client.API
}

// Run demonstrates the main job and returns an error unless the run succeeded.
func Run(ctx context.Context, options Options) (err error) {
	d := &demo{Options: options, secrets: newSecrets()}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, d.stop(stopping))
	}()
	err = d.demonstrate(ctx)
	switch {
	case ctx.Err() != nil && d.Once:
		return ctx.Err() // whoever waits for the end must not take this for one
	case ctx.Err() != nil:
		return nil // Ctrl-C in the middle is an end like any other
	case err != nil || d.Once:
		return err
	}
	d.say("\n  Everything stays up for you to look around. Ctrl-C ends it and leaves nothing behind.\n")
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.app.Failed():
		return err
	}
}

func (d *demo) demonstrate(ctx context.Context) error {
	if err := d.start(ctx); err != nil {
		return err
	}
	d.introduce()
	run, err := d.push(ctx)
	if err != nil {
		return err
	}
	return d.show(ctx, run)
}

// start brings everything up: the simulator first, because the configuration
// names its address; its scene last, because that names regrow's.
func (d *demo) start(ctx context.Context) error {
	d.say("Starting a private Postgres, a simulated Octopus Server and regrow …\n")
	if err := d.startSimulator(ctx); err != nil {
		return err
	}
	var err error
	if d.Listen, err = freeAddress(ctx, d.Listen); err != nil {
		return err
	}
	settings, err := config.Parse("the demonstration's regrow.yaml", configuration, config.Options{Development: true, LookupEnv: d.environment})
	if err != nil {
		return err
	}
	log, err := app.NewLogger(d.Log, settings.Log)
	if err != nil {
		return err
	}
	d.app, err = app.New(ctx, app.Options{Config: settings, Logger: log, Version: d.Version, Development: true})
	if err != nil {
		return err
	}
	if err := d.app.Start(ctx); err != nil {
		return err
	}
	if err := d.buildScene(); err != nil {
		return err
	}
	d.api, err = client.New(d.app.URL(), d.secrets.apiToken, nil)
	return err
}

func (d *demo) startSimulator(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the simulated Octopus Server: %w", err)
	}
	d.address = "http://" + listener.Addr().String()
	d.simulator = simulator.New(simulator.Options{
		APIKey: d.secrets.octopusKey, Speed: d.Speed, Start: time.Now(), PublicURL: d.address, Logger: zerolog.Nop(),
	})
	d.simulator.Start(context.WithoutCancel(ctx))
	d.octopus = &http.Server{Handler: d.simulator, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.octopus.Serve(listener) }() // ends with stop
	return nil
}

func (d *demo) buildScene() error {
	_, err := d.simulator.HelloWorld(simulator.HelloWorldOptions{
		Targets:         2,
		SubscriptionURL: d.app.URL() + "/webhooks/octopus", SubscriptionHeader: "X-Regrow-Token", SubscriptionSecret: d.secrets.octopus,
		Provisioner: simulator.Provisioner{BootDelay: 20 * time.Second, RegisterSpread: 15 * time.Second},
	})
	if err != nil {
		return fmt.Errorf("building the scene: %w", err)
	}
	return nil
}

// stop ends everything in the order in which it depends on each other.
func (d *demo) stop(ctx context.Context) error {
	var errs []error
	if d.app != nil {
		errs = append(errs, d.app.Stop(ctx))
	}
	if d.octopus != nil {
		errs = append(errs, d.octopus.Close())
		d.simulator.Close()
	}
	return errors.Join(errs...)
}

// show follows the run to its end, then shows its timeline.
func (d *demo) show(ctx context.Context, run client.RunRef) error {
	before, err := d.run(ctx, run)
	if err != nil {
		return err
	}
	screen := terminal.New(d.Out)
	screen.NoHints = true // lookFurther knows better
	live := screen.Live(before)
	err = errors.Join(d.api.Watch(ctx, run.ID, 0, live.Event), live.Close())
	if err != nil {
		return err
	}
	after, err := d.run(ctx, run)
	if err != nil {
		return err
	}
	if err := screen.Timeline(after); err != nil {
		return err
	}
	if after.Status != client.RunStatusSucceeded {
		return fmt.Errorf("the run ended as %s: %s", after.Status, after.Reason)
	}
	d.lookFurther()
	return nil
}

func (d *demo) run(ctx context.Context, run client.RunRef) (client.RunDetail, error) {
	answer, err := d.api.GetRunWithResponse(ctx, run.ID)
	if err != nil {
		return client.RunDetail{}, err
	}
	return *answer.JSON200, nil
}
