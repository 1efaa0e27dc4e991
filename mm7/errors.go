package mm7

import "fmt"

// NotSentError says that provably no byte of the request left this process: the
// connection could not be made, or failed before anything was written to it.
// The request may be sent again without fear of a duplicate.
type NotSentError struct {
	URL string // without user, password and query
	Err error
}

func (e *NotSentError) Error() string {
	return fmt.Sprintf("MM7 request to %s was not sent: %v", e.URL, e.Err)
}

// Unwrap gives the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// NoAnswerError says that the request, or a part of it, may have left and that no
// usable answer came: the MMSC may have accepted the message.
type NoAnswerError struct {
	URL        string // without user, password and query
	HTTPStatus int    // 0 when no answer came at all
	Err        error
}

func (e *NoAnswerError) Error() string {
	if e.HTTPStatus != 0 {
		return fmt.Sprintf("MM7 request to %s was answered by HTTP %d without a usable MM7 answer: %v", e.URL, e.HTTPStatus, e.Err)
	}
	return fmt.Sprintf("MM7 request to %s may have arrived, but no answer came: %v", e.URL, e.Err)
}

// Unwrap gives the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// SyntaxError says why something received could not be read.
type SyntaxError struct {
	Where string // "envelope, byte 120", "Content-Type", "part 2"
	What  string // what is wrong there
}

func (e *SyntaxError) Error() string { return "MM7 " + e.Where + ": " + e.What }

// Problem is one deviation of a received SubmitReq from what it should be.
type Problem struct {
	Where string // "SubmitReq/Priority", "part 1 (SMIL)", "HTTP Content-Length"
	What  string // what is wrong, and what would be right
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// UnsupportedError says that a well-formed message is of another operation than the
// one asked for.
type UnsupportedError struct {
	Operation Operation
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("MM7 operation %.40q is not taken here", string(e.Operation))
}
