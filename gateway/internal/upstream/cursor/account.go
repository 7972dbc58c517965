package cursor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/cursor/sessiontoken"
)

// Where the upstream tells of an account. The first two are of the API, the others
// of the website, which is another host.
const (
	userInfoPath = "/aiserver.v1.AiService/GetUserInfo"
	profilePath  = "/auth/full_stripe_profile"
	usagePath    = "/api/usage"
	mePath       = "/api/auth/me"
	settingsPath = "/settings"
)

const (
	// maxAccountBody bounds one answer, in bytes.
	maxAccountBody = 1 << 20
	sessionCookie  = "WorkosCursorSessionToken"
)

// errNoJWT is why the website can't be asked.
var errNoJWT = errors.New("the token is no session token, so the website can't be asked about it")

// accountQuestion is one of the questions that make an account: each answers a part.
type accountQuestion struct {
	name string
	ask  func(ctx context.Context, call *upstream.Call) (upstream.Account, error)
}

// Account implements upstream.Accounts. All is asked at once.
func (d *driver) Account(ctx context.Context, credential upstream.Credential, options upstream.Options) (upstream.Account, error) {
	questions := []accountQuestion{{"requests", d.userInfo}, {"profile", d.profile}}
	if d.settings.site != "" {
		questions = append(questions, accountQuestion{"usage", d.usage}, accountQuestion{"user", d.me})
	}
	call := &upstream.Call{Credential: credential, Options: options}
	told, errs := make([]upstream.Account, len(questions)), make([]error, len(questions))
	var asking sync.WaitGroup
	for i, question := range questions {
		asking.Go(func() {
			var err error
			if told[i], err = question.ask(ctx, call); err != nil {
				errs[i] = fmt.Errorf("%s: %s", question.name, accountReason(err))
			}
		})
	}
	asking.Wait()
	var account upstream.Account
	for _, part := range told {
		account = joined(account, part)
	}
	return account, errors.Join(errs...)
}

// accountReason is what an admin is told: a failure's message, and of everything
// else that it happened.
func accountReason(err error) string {
	if failure, ok := errors.AsType[*upstream.Failure](err); ok {
		return failure.Message
	}
	return err.Error()
}

// joined adds what a later answer tells. The usage by family replaces the count of
// fast requests, which is the same as its first family.
func joined(account, part upstream.Account) upstream.Account {
	account.UserID = cmp.Or(account.UserID, part.UserID)
	account.Email = cmp.Or(account.Email, part.Email)
	account.Name = cmp.Or(account.Name, part.Name)
	account.Membership = cmp.Or(account.Membership, part.Membership)
	account.SubscriptionStatus = cmp.Or(account.SubscriptionStatus, part.SubscriptionStatus)
	if part.TrialDaysLeft != nil {
		account.TrialDaysLeft = part.TrialDaysLeft
	}
	if len(part.Quotas) > 0 {
		account.Quotas, account.QuotaStart = part.Quotas, part.QuotaStart
	}
	return account
}

// userInfo asks the API for the count of fast requests. The request has no field.
func (d *driver) userInfo(ctx context.Context, call *upstream.Call) (upstream.Account, error) {
	header := http.Header{"Content-Type": {"application/proto"}, "Connect-Protocol-Version": {"1"}}
	if failure := d.Dress(header, call); failure != nil {
		return upstream.Account{}, failure
	}
	body, err := d.question(ctx, http.MethodPost, d.settings.base+userInfoPath, header, call)
	if err != nil {
		return upstream.Account{}, err
	}
	var answer aiserverv1.GetUserInfoResponse
	if proto.Unmarshal(body, &answer) != nil {
		return upstream.Account{}, errUnreadable
	}
	account := upstream.Account{UserID: userIDOf(answer.GetUserId())}
	if usage := answer.GetUsage(); usage != nil {
		most := uint64(max(usage.GetGpt4MaxRequests(), 0))
		account.Quotas = []upstream.AccountQuota{{Name: "fast", Requests: uint64(max(usage.GetGpt4Requests(), 0)), MaxRequests: &most}}
	}
	return account, nil
}

// errUnreadable is an answer of another form than this dialect's.
var errUnreadable = errors.New("the answer is unreadable")

func userIDOf(subject string) string { return sessiontoken.Claims{Subject: subject}.UserID() }

// profile asks the API for the plan.
func (d *driver) profile(ctx context.Context, call *upstream.Call) (upstream.Account, error) {
	bearer, failure := identity.Bearer(call.Credential)
	if failure != nil {
		return upstream.Account{}, errNoJWT
	}
	var answer struct {
		MembershipType       string   `json:"membershipType"`
		SubscriptionStatus   string   `json:"subscriptionStatus"`
		DaysRemainingOnTrial *float64 `json:"daysRemainingOnTrial"`
	}
	header := http.Header{"Authorization": {bearer}}
	if err := d.questionJSON(ctx, d.settings.base+profilePath, header, call, &answer); err != nil {
		return upstream.Account{}, err
	}
	account := upstream.Account{
		Membership: d.clean(answer.MembershipType, call), SubscriptionStatus: d.clean(answer.SubscriptionStatus, call),
	}
	if days := answer.DaysRemainingOnTrial; days != nil {
		left := int32(min(max(*days, 0), math.MaxInt32))
		account.TrialDaysLeft = &left
	}
	return account, nil
}

// family is what the website counts for one family of models.
type family struct {
	NumRequests     float64  `json:"numRequests"`
	NumTokens       float64  `json:"numTokens"`
	MaxRequestUsage *float64 `json:"maxRequestUsage"`
	MaxTokenUsage   *float64 `json:"maxTokenUsage"`
}

func (f *family) quota(name string) upstream.AccountQuota {
	return upstream.AccountQuota{
		Name: name, Requests: *count(&f.NumRequests), MaxRequests: count(f.MaxRequestUsage),
		Tokens: *count(&f.NumTokens), MaxTokens: count(f.MaxTokenUsage),
	}
}

// count reads a number that may be absent, and makes a negative one 0.
func count(number *float64) *uint64 {
	if number == nil {
		return nil
	}
	n := uint64(min(max(*number, 0), 1<<53))
	return &n
}

// usage asks the website for what was used since the month began. It names the
// families after the models that they had at first.
func (d *driver) usage(ctx context.Context, call *upstream.Call) (upstream.Account, error) {
	header, id, err := d.siteHeader(call)
	if err != nil {
		return upstream.Account{}, err
	}
	var answer struct {
		Premium  *family   `json:"gpt-4"`
		Standard *family   `json:"gpt-3.5-turbo"`
		Unknown  *family   `json:"gpt-4-32k"`
		Start    time.Time `json:"startOfMonth"`
	}
	if err := d.questionJSON(ctx, d.settings.site+usagePath+"?user="+url.QueryEscape(id), header, call, &answer); err != nil {
		return upstream.Account{}, err
	}
	account := upstream.Account{UserID: id, QuotaStart: answer.Start}
	for _, each := range []struct {
		name   string
		counts *family
	}{{"premium", answer.Premium}, {"standard", answer.Standard}, {"unknown", answer.Unknown}} {
		if each.counts != nil {
			account.Quotas = append(account.Quotas, each.counts.quota(each.name))
		}
	}
	return account, nil
}

// me asks the website who the user is.
func (d *driver) me(ctx context.Context, call *upstream.Call) (upstream.Account, error) {
	header, _, err := d.siteHeader(call)
	if err != nil {
		return upstream.Account{}, err
	}
	var answer struct {
		Email string `json:"email"`
		Name  string `json:"name"`
		Sub   string `json:"sub"`
	}
	if err := d.questionJSON(ctx, d.settings.site+mePath, header, call, &answer); err != nil {
		return upstream.Account{}, err
	}
	return upstream.Account{
		UserID: userIDOf(d.clean(answer.Sub, call)), Email: d.clean(answer.Email, call), Name: d.clean(answer.Name, call),
	}, nil
}

// siteHeader is what the website wants to see: its cookie, and the page that asks.
func (d *driver) siteHeader(call *upstream.Call) (http.Header, string, error) {
	token := call.Credential.Secret.Reveal()
	id := sessiontoken.UserID(token)
	if id == "" {
		return nil, "", errNoJWT
	}
	return http.Header{
		"Cookie":  {sessionCookie + "=" + url.QueryEscape(id) + "%3A%3A" + token},
		"Referer": {d.settings.site + settingsPath},
		"Accept":  {"application/json"},
	}, id, nil
}

// clean bounds a text of the upstream's and takes everything out of it that does
// not belong on a page; user ids stay.
func (d *driver) clean(text string, call *upstream.Call) string {
	const longest = 200
	if !call.Credential.Secret.Empty() {
		text = strings.ReplaceAll(text, call.Credential.Secret.Reveal(), "")
	}
	text = strings.ToValidUTF8(text, "")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u007f' {
			return -1
		}
		return r
	}, text)
}

func (d *driver) questionJSON(ctx context.Context, target string, header http.Header, call *upstream.Call, into any) error {
	body, err := d.question(ctx, http.MethodGet, target, header, call)
	if err != nil {
		return err
	}
	if json.Unmarshal(body, into) != nil {
		return errUnreadable
	}
	return nil
}
