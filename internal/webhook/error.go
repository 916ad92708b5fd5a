package webhook

import "fmt"

// Reason is the class of an Error, from which follows what to answer.
type Reason string

// The reasons for which a request is refused.
const (
	// Unauthorized: the signature, secret or timestamp is missing or wrong.
	Unauthorized Reason = "unauthorized"
	// TooLarge: the body is larger than the source allows.
	TooLarge Reason = "too_large"
	// UnsupportedMedia: the content type is not one that the kind sends.
	UnsupportedMedia Reason = "unsupported_media"
	// MissingID: the delivery has no id, so a repetition could not be told.
	MissingID Reason = "missing_id"
	// Malformed: the payload is not what this kind of sender sends.
	Malformed Reason = "malformed"
	// WrongSender: another kind of sender is calling than the source says.
	WrongSender Reason = "wrong_sender"
)

// Error tells the sender why a request was refused. It holds no secret.
type Error struct {
	Reason Reason
	// Message says what was expected, what came and what to do.
	Message string
	// Pointer is the JSON pointer (RFC 6901) of the offending member, or "".
	Pointer string
}

// Error returns the message after the pointer.
func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Message
	}
	return e.Pointer + ": " + e.Message
}

func newError(reason Reason, pointer, format string, args ...any) error {
	return &Error{Reason: reason, Pointer: pointer, Message: fmt.Sprintf(format, args...)}
}

func unauthorized(format string, args ...any) error {
	return newError(Unauthorized, "", format, args...)
}

func malformed(pointer, format string, args ...any) error {
	return newError(Malformed, pointer, format, args...)
}

// shown quotes what a sender sent, cut to a length that fits into a sentence.
func shown(text string) string {
	const limit = 80
	if runes := []rune(text); len(runes) > limit {
		return fmt.Sprintf("%q…", string(runes[:limit]))
	}
	return fmt.Sprintf("%q", text)
}
