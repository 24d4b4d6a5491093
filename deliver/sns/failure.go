package sns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"carillon/deliver"
	"carillon/egress"
)

const (
	maxReason   = 300
	maxResponse = 1 << 10
)

var errNoProvider = errors.New("none are configured")

// failure is why a publish failed, in words for a person. The cause is there for errors.As, and never printed.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// judge turns an error of the SDK into a verdict with a short reason.
func (s *sink) judge(parent, ctx context.Context, err error) deliver.Result {
	if parent.Err() != nil {
		return deliver.Result{Verdict: deliver.Interrupted, Err: parent.Err()}
	}
	var (
		answer   smithy.APIError
		response *awshttp.ResponseError
	)
	result := deliver.Result{Verdict: deliver.TryAgain}
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		result.Status = response.HTTPStatusCode()
		result.RetryAfter = deliver.RetryAfter(response.Response.Header, time.Now())
	}
	text := s.reason(ctx, err, result.Status)
	if result.Status > 0 && errors.As(err, &answer) && answer.ErrorCode() != unknown {
		message := answer.ErrorMessage()
		if message == unknown {
			message = ""
		}
		why, never := s.explain(answer.ErrorCode(), message)
		if never {
			result.Verdict = deliver.Never
		}
		text = fmt.Sprintf("SNS answered %d %s", result.Status, answer.ErrorCode())
		if why != "" {
			text += ": " + why
		}
		result.Response = deliver.Shorten(message, maxResponse)
	}
	result.Err = &failure{text: deliver.Shorten(text, maxReason), cause: err}
	return result
}

// unknown is the SDK's word for the code or the message that an answer lacks. One without a code is not from SNS.
const unknown = "UnknownError"

// reason says why there is no answer that SNS could have given.
func (s *sink) reason(ctx context.Context, err error, status int) string {
	var missing *noKeys
	if errors.Is(context.Cause(ctx), errTimeout) {
		if errors.As(err, &missing) {
			return fmt.Sprintf("the server found no AWS credentials within %s", s.timeout)
		}
		return fmt.Sprintf("timed out after %s", s.timeout)
	}
	if errors.As(err, &missing) {
		return "the server has no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give it a role"
	}
	if status > 0 {
		return notSNS(status, err).Error()
	}
	if why, ok := egress.Explain(err); ok {
		return why
	}
	return "request failed: " + err.Error()
}

// notSNS says that the answer came from something else.
func notSNS(status int, cause error) error {
	return &failure{text: fmt.Sprintf("the endpoint answered %d, and not as SNS does", status), cause: cause}
}

// explain says what an operator can do about an error, or what SNS says of it; never is set if it is the message that SNS
// will not take.
func (s *sink) explain(code, message string) (why string, never bool) {
	switch code {
	case "NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException":
		return "topic " + s.topic.arn + " does not exist: make it, or correct the subscription's topicArn", false
	case "AuthorizationError", "AuthorizationErrorException", "AccessDenied", "AccessDeniedException":
		return "allow the server's role sns:Publish on " + s.topic.arn, false
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSecurity", "ExpiredToken",
		"ExpiredTokenException", "IncompleteSignature", "MissingAuthenticationToken", "OptInRequired":
		return "the server's AWS credentials are not valid here: renew them", false
	case "RequestExpired", "RequestTimeTooSkewed":
		return "the server's clock is wrong: set it", false
	case "KMSAccessDenied", "KMSDisabled", "KMSInvalidState", "KMSNotFound", "KMSOptInRequired":
		return "the key that encrypts the topic cannot be used: " + message, false
	case "InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationError", "ValidationException":
		// What is said of the topic is true of all messages, and can be mended.
		return message, !strings.Contains(message, "TopicArn")
	default:
		return message, false
	}
}
