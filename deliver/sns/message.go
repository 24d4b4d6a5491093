package sns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"carillon"
)

// Bounds of SNS.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	maxMessage       = 262_144 // bytes, attributes included
	maxAttributes    = 10      // reach a queue with raw delivery; with more, the queue gets nothing
	maxAttributeName = 256
	maxID            = 128 // of a FIFO topic's groups and repeats
)

// stringType is the type of our attributes; filter policies compare it.
const stringType = "String"

// webhookOnly begins the names of attributes that are for webhooks only (carillon.Attribute).
const webhookOnly = "header:"

// request makes the publish of a message. It fails, for ever, if SNS cannot carry the message.
func (t topic) request(m *carillon.Message) (*awssns.PublishInput, error) {
	if len(m.Body) == 0 || !utf8.Valid(m.Body) {
		return nil, fmt.Errorf("message %s is empty or not UTF-8, which SNS does not carry", m.ID)
	}
	list, size := attributes(m)
	if size += len(m.Body); size > maxMessage {
		return nil, fmt.Errorf("message %s has %d bytes with its attributes; SNS carries at most %d", m.ID, size, maxMessage)
	}
	in := &awssns.PublishInput{TopicArn: aws.String(t.arn), Message: aws.String(string(m.Body)), MessageAttributes: list}
	if t.fifo {
		in.MessageGroupId, in.MessageDeduplicationId = aws.String(fifoID(m.Lane)), aws.String(fifoID(m.ID))
	}
	return in, nil
}

// attributes gives those of a message's attributes that SNS takes, the first ten, and how many bytes they count for. SNS
// refuses a message whole for an attribute without a value or with characters that it does not know.
func attributes(m *carillon.Message) (list map[string]types.MessageAttributeValue, size int) {
	list = make(map[string]types.MessageAttributeValue, len(m.Attributes))
	for _, a := range m.Attributes {
		if strings.HasPrefix(a.Name, webhookOnly) || !isName(a.Name) || a.Value == "" || !isText(a.Value) {
			continue
		}
		if len(list) == maxAttributes {
			break
		}
		list[a.Name] = types.MessageAttributeValue{DataType: aws.String(stringType), StringValue: aws.String(a.Value)}
		size += len(a.Name) + len(stringType) + len(a.Value)
	}
	return list, size
}

// nameShape are letters, digits, - and _, with single full stops between.
var nameShape = regexp.MustCompile(`^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$`)

func isName(s string) bool {
	lower := strings.ToLower(s)
	return len(s) <= maxAttributeName && nameShape.MatchString(s) && !strings.HasPrefix(lower, "aws.") && !strings.HasPrefix(lower, "amazon.")
}

// isText reports whether a text has only characters that XML 1.0 can have.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	})
}

// fifoID makes a text into a group or an id of a FIFO topic, which have up to 128 ASCII letters, digits and punctuation
// marks. What has others is told by its hash: always the same, and never another's.
func fifoID(s string) string {
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if plain && s != "" && len(s) <= maxID && !strings.HasPrefix(s, hashMark) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hashMark + hex.EncodeToString(sum[:])
}

// hashMark begins what is a hash, so that nobody's own text can pass for one.
const hashMark = "sha256:"
