package webhook

import (
	"net/http"

	"regrow/internal/pipeline"
)

const (
	headerGitHubEvent     = "X-GitHub-Event"
	headerGitHubDelivery  = "X-GitHub-Delivery"
	headerGitHubSignature = "X-Hub-Signature-256"

	eventPush = "push"
)

// lookalikes are the headers of senders that send GitHub's headers too, but
// sign or write some things differently.
var lookalikes = []struct{ header, sender string }{
	{"X-Forgejo-Event", "Forgejo"}, // before Gitea, whose headers Forgejo sends as well
	{"X-Gitea-Event", "Gitea"},
	{"X-Gogs-Event", "Gogs"},
}

// gitHub reads the webhooks of GitHub.
// GitHub docs: https://docs.github.com/en/webhooks/webhook-events-and-payloads
type gitHub struct{ secrets []string }

func newGitHub(source Source) gitHub { return gitHub{secrets: source.secrets()} }

func (gitHub) habits() habits {
	return habits{
		proof: headerGitHubSignature, id: headerGitHubDelivery, event: headerGitHubEvent, usualEvent: eventPush, media: mediaJSON,
	}
}

// verify checks the signature over the body as it was sent, form or not.
func (g gitHub) verify(r Request) error {
	sent := r.Header.Get(headerGitHubSignature)
	if sent == "" {
		return unauthorized("the header %s is missing%s; set the secret in the hook's settings",
			headerGitHubSignature, otherSender(r.Header))
	}
	matches := func(secret string) bool { return equal(sent, SignGitHub(secret, r.Body)) }
	if !anyMatches(g.secrets, matches) {
		return unauthorized("the header %s does not match the body%s; set the same secret in the hook and in the source",
			headerGitHubSignature, otherSender(r.Header))
	}
	return nil
}

func (gitHub) payload(r Request) ([]byte, error) {
	if other := otherSender(r.Header); other != "" {
		return nil, newError(WrongSender, "", "this source is of kind %q%s; "+
			"send it through a source of kind %q", GitHub, other, Generic)
	}
	media, err := mediaType(r.Header, mediaJSON, mediaForm)
	if err != nil {
		return nil, err
	}
	if media == mediaForm {
		return formPayload(r.Body)
	}
	return r.Body, nil
}

func (gitHub) hidden() string { return "" }

func (gitHub) read(r Request, doc *document) (Delivery, error) {
	event, err := headerID(r.Header, headerGitHubEvent, Malformed)
	if err != nil {
		return Delivery{}, err
	}
	id, err := headerID(r.Header, headerGitHubDelivery, MissingID)
	if err != nil {
		return Delivery{}, err
	}
	delivery := Delivery{ID: id, Event: event}
	switch event {
	case eventPush:
		delivery.Commits, delivery.Ignored = doc.gitHubPush()
	case "ping":
		delivery.Ignored = "the hook works; pushes to branches will start runs"
	default:
		delivery.Ignored = "the event " + shown(event) + " starts no run; only \"push\" does"
	}
	return delivery, doc.err
}

func (d *document) gitHubPush() (commits []pipeline.Commit, ignored string) {
	commit := pipeline.Commit{
		Repository: d.text("/repository/full_name"),
		Ref:        d.text("/ref"),
		SHA:        d.sha("/after"),
		Message:    d.optionalText("/head_commit/message"),
		Author:     d.gitHubAuthor(),
		URL:        d.link("/head_commit/url"),
	}
	return judge(commit, d.flag("/deleted"))
}

// gitHubAuthor returns "name <address>", or as much of it as there is.
func (d *document) gitHubAuthor() string {
	name := d.optionalText("/head_commit/author/name")
	address := d.optionalText("/head_commit/author/email")
	switch {
	case address == "":
		return name
	case name == "":
		return address
	}
	return name + " <" + address + ">"
}

// otherSender returns a phrase that names the sender that only looks like
// GitHub, or "".
func otherSender(h http.Header) string {
	for _, other := range lookalikes {
		if h.Get(other.header) != "" {
			return ", but the request carries " + other.header + " and so comes from " + other.sender
		}
	}
	return ""
}
