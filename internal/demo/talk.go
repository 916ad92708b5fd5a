package demo

import "fmt"

func (d *demo) say(format string, args ...any) {
	// Who cannot be told anything need not be told that either.
	_, _ = fmt.Fprintf(d.Out, format, args...)
}

// introduce says what there is and what is going to happen.
func (d *demo) introduce() {
	d.say(`
  regrow    %s
  Octopus   %s  (simulated; its clock runs %g times as fast)

  In Octopus, release 0.0.1 of "Hello World" runs on two targets in Development.
  A commit arrives now. regrow replaces both targets.

`, d.app.URL(), d.address, d.Speed)
}

// lookFurther says how to see and do more while everything is up.
func (d *demo) lookFurther() {
	if d.Once {
		return
	}
	d.say(`
  Look further, in another terminal:

    export REGROW_URL=%[1]s REGROW_TOKEN=%[2]s
    %[3]s runs list
    %[3]s runs show hello-world#1
    %[3]s trigger --pipeline hello-world --branch main --commit %[4]s --wait
    curl -s -H "Authorization: Bearer $REGROW_TOKEN" $REGROW_URL/api/v1/jobs

  Send webhooks yourself, as the README shows:

    export GITHUB_SECRET=%[5]s
    export BUILD_SECRET=%[6]s
`, d.app.URL(), d.secrets.apiToken, d.Program, newSHA(), d.secrets.github, d.secrets.build)
}
