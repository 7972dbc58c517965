package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var pricePage = view{"price", "prices", (*Site).loadPrice}

const pricesAddress = "/admin/prices"

// maxPriceForm bounds the form of one price, in bytes.
const maxPriceForm = 16 << 10

// priceForm is a price as it is edited: all is text until it is saved.
type priceForm struct {
	// New: no admin has set this price yet.
	New             bool
	Match, Upstream string
	Version         uint64
	Parts           []pricePart
	// Upstreams and Models are what can be chosen.
	Upstreams, Models []string
}

// pricePart is one amount, in dollars for a million tokens.
type pricePart struct{ Name, Amount string }

// Choices are the upstreams that can be chosen, and the one that is, even if it is not there.
func (f priceForm) Choices() []string {
	if f.Upstream == "" || slices.Contains(f.Upstreams, f.Upstream) {
		return f.Upstreams
	}
	return append([]string{f.Upstream}, f.Upstreams...)
}

// priceFormOf is the form for a price that is there.
func priceFormOf(price pricing.Price) priceForm {
	form := priceForm{Match: price.Match, Upstream: price.Upstream}
	for _, name := range priceParts {
		form.Parts = append(form.Parts, pricePart{name, partOf(&price, name).String()})
	}
	return form
}

// priceFormFrom is the form as it was sent.
func priceFormFrom(c *gin.Context) priceForm {
	form := priceForm{New: c.PostForm("new") != "", Match: strings.TrimSpace(c.PostForm("match")), Upstream: c.PostForm("upstream")}
	form.Version, _ = strconv.ParseUint(c.PostForm("version"), 10, 64) // ours; without one nothing is checked
	for _, name := range priceParts {
		form.Parts = append(form.Parts, pricePart{name, strings.TrimSpace(c.PostForm(name))})
	}
	return form
}

// price is what the form says. Its errors are for whoever fills it in.
func (f priceForm) price(texts texts) (pricing.Price, error) {
	price := pricing.Price{Match: f.Match, Upstream: f.Upstream}
	if f.Match == "" {
		return price, chat.Errorf(chat.InvalidRequest, "%s", texts["problem.price_match"])
	}
	listed := false
	for _, part := range f.Parts {
		rate, err := pricing.ParseRate(part.Amount)
		if err != nil {
			return price, chat.Errorf(chat.InvalidRequest, texts["problem.price_amount"], texts["price_part."+part.Name])
		}
		*partOf(&price, part.Name) = rate
		listed = listed || rate.Listed
	}
	if !listed {
		return price, chat.Errorf(chat.InvalidRequest, "%s", texts["problem.price_none"])
	}
	return price, nil
}

// isFor tells whether a price is for this model, or pattern, and upstream.
func isFor(match, upstream string) func(pricing.Price) bool {
	return func(price pricing.Price) bool { return price.Match == match && price.Upstream == upstream }
}

// GET /admin/prices/edit: `match` and `upstream`, or none for a new one. Where no admin has set it,
// the form has what is built in.
func (s *Site) loadPrice(ctx context.Context, c *gin.Context) (any, error) {
	match, upstream := c.Query("match"), c.Query("upstream")
	prices, version, err := s.prices(ctx)
	if err != nil {
		return nil, err
	}
	shown := pricing.Price{Match: match}
	at := slices.IndexFunc(prices, isFor(match, upstream))
	if at >= 0 {
		shown = prices[at]
	} else if builtIn := slices.IndexFunc(pricing.BuiltIn(), isFor(match, "")); builtIn >= 0 {
		shown = pricing.BuiltIn()[builtIn]
	}
	form := priceFormOf(shown)
	form.New, form.Upstream, form.Version = at < 0, upstream, version
	return s.completePrice(ctx, form)
}

// prices are those that are set and imported, and their version.
func (s *Site) prices(ctx context.Context) ([]pricing.Price, uint64, error) {
	answer, err := s.Prices.GetPrices(ctx, &tokenstorev1.GetPricesRequest{})
	return pricing.FromStore(answer.GetPrices().GetPrices()), answer.GetPrices().GetVersion(), err
}

// completePrice adds what can be chosen.
func (s *Site) completePrice(ctx context.Context, form priceForm) (priceForm, error) {
	form.Models = idsOf(s.Listed())
	var err error
	form.Upstreams, err = s.upstreamNames(ctx)
	return form, err
}

// POST /admin/prices/edit: the form, and `csrf`.
func (s *Site) savePrice(c *gin.Context) {
	session, ok := s.permittedForm(c, maxPriceForm)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	form := priceFormFrom(c)
	price, err := form.price(s.texts(c.Request))
	var undo *tokenstorev1.AuditUndo
	if err == nil {
		undo, err = s.changePrices(ctx, form.Version, func(prices []pricing.Price) []pricing.Price {
			return append(slices.DeleteFunc(prices, isFor(form.Match, form.Upstream)), price)
		})
	}
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
		form, err = s.afterPriceConflict(ctx, c, form)
	}
	if err != nil {
		form, _ = s.completePrice(ctx, form) // the problem that there is comes first
		s.showForm(c, pricePage, session, form, err)
		return
	}
	s.NoteUndoable(c, undo, "price put", "match", form.Match, "upstream", form.Upstream)
	seeOther(c, pricesAddress+"?saved="+url.QueryEscape(form.Match))
}

// POST /admin/prices/remove: `match`, `upstream`, `version` and `csrf`.
func (s *Site) removePrice(c *gin.Context) {
	if _, ok := s.permittedForm(c, maxPriceForm); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	form := priceFormFrom(c)
	undo, err := s.changePrices(ctx, form.Version, func(prices []pricing.Price) []pricing.Price {
		return slices.DeleteFunc(prices, isFor(form.Match, form.Upstream))
	})
	if err != nil {
		s.fail(c, s.pricesProblem(c, err))
		return
	}
	s.NoteUndoable(c, undo, "price removed", "match", form.Match, "upstream", form.Upstream)
	seeOther(c, pricesAddress+"?removed="+url.QueryEscape(form.Match))
}

// changePrices replaces the prices of a version by what change makes of them, and returns how that
// is undone.
func (s *Site) changePrices(ctx context.Context, version uint64, change func([]pricing.Price) []pricing.Price) (*tokenstorev1.AuditUndo, error) {
	before, _, err := s.prices(ctx)
	if err != nil {
		return nil, err
	}
	return s.putPrices(ctx, version, before, change(slices.Clone(before)))
}

func (s *Site) putPrices(ctx context.Context, version uint64, before, prices []pricing.Price) (*tokenstorev1.AuditUndo, error) {
	put, err := s.Prices.PutPrices(ctx, &tokenstorev1.PutPricesRequest{Prices: pricing.ToStore(prices), ExpectedVersion: version})
	return &tokenstorev1.AuditUndo{
		Prices: &tokenstorev1.FormerPrices{Prices: pricing.ToStore(before), Became: put.GetPrices().GetVersion()},
	}, err
}

// pricesProblem says of a conflict what it means on these pages.
func (s *Site) pricesProblem(c *gin.Context, err error) error {
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
		return chat.Errorf(chat.Conflict, "%s", s.texts(c.Request)["problem.prices_changed"])
	}
	return err
}

// afterPriceConflict has the form replace what others have made of the price, if it is sent again.
func (s *Site) afterPriceConflict(ctx context.Context, c *gin.Context, form priceForm) (priceForm, error) {
	prices, version, err := s.prices(ctx)
	if err != nil {
		return form, err
	}
	form.Version, form.New = version, !slices.ContainsFunc(prices, isFor(form.Match, form.Upstream))
	return form, chat.Errorf(chat.Conflict, "%s", s.texts(c.Request)["problem.prices_changed"])
}

// showForm shows a view with data, after a form was sent.
func (s *Site) showForm(c *gin.Context, v view, session auth.Session, data any, problem error) {
	p := s.newPage(c, v.name)
	p.Section, p.Session, p.Data, p.Fleet, p.Degraded = v.section, &session, data, s.Fleet(), s.outage()
	status := http.StatusOK
	if problem != nil {
		p.Problem, status = s.sentence(c.Request, problem), statusOf(problem)
	}
	s.show(c, status, p, problem)
}
