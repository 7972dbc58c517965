package adminapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// priceFileLimit bounds a file of prices, in bytes.
	priceFileLimit = 16 << 20
	// maxRowsShown bounds the rows that an import's answer names one by one.
	maxRowsShown = 1000
)

// Prices are the tokenstore's calls about prices.
type Prices interface {
	GetPrices(context.Context, *tokenstorev1.GetPricesRequest, ...grpc.CallOption) (*tokenstorev1.GetPricesResponse, error)
	PutPrices(context.Context, *tokenstorev1.PutPricesRequest, ...grpc.CallOption) (*tokenstorev1.PutPricesResponse, error)
}

// pricesObject is the list, and what is built in beside it.
type pricesObject struct {
	Prices  []pricing.Form `json:"prices"`
	BuiltIn []pricing.Form `json:"built_in"`
	Version uint64         `json:"version"`
}

func answerPrices(c *gin.Context, now *tokenstorev1.Prices) error {
	return answerVersioned(c, http.StatusOK, pricesObject{
		pricing.FormsOf(pricing.FromStore(now.GetPrices())), pricing.FormsOf(pricing.BuiltIn()), now.GetVersion(),
	}, now.GetVersion())
}

// GET /admin/api/prices
func (a *API) getPrices(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	now, err := a.storedPrices(ctx)
	if err != nil {
		return err
	}
	return answerPrices(c, now)
}

func (a *API) storedPrices(ctx context.Context) (*tokenstorev1.Prices, error) {
	answer, err := a.Prices.GetPrices(ctx, &tokenstorev1.GetPricesRequest{})
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	return answer.GetPrices(), nil
}

// PUT /admin/api/prices: replaces all that are set and imported
func (a *API) putPrices(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	var body struct {
		Prices *[]pricing.Form `json:"prices"`
	}
	if err := jsonapi.Decode(c, max(a.BodyLimit, priceFileLimit), &body); err != nil {
		return err
	}
	if body.Prices == nil {
		return jsonapi.Invalid("prices", `a list wanted, such as [{"match":"gpt-5","input_per_million":"1.25","output_per_million":"10.00"}]`)
	}
	prices := make([]pricing.Price, len(*body.Prices))
	for i := range prices {
		if prices[i], err = (*body.Prices)[i].Price(); err != nil {
			return invalidPrice(i, err)
		}
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.storedPrices(ctx)
	if err != nil {
		return err
	}
	now, err := a.replacePrices(c, before, prices, version, "prices put")
	if err != nil {
		return err
	}
	return answerPrices(c, now)
}

// invalidPrice words what is wrong with a price, by its place in the body.
func invalidPrice(at int, err error) error {
	if wrong, named := errors.AsType[*pricing.FieldError](err); named {
		return jsonapi.Invalid(fmt.Sprintf("prices[%d].%s", at, wrong.Field), "%v", wrong.Err)
	}
	return err
}

// replacePrices stores a list and notes what undoes that.
func (a *API) replacePrices(c *gin.Context, before *tokenstorev1.Prices, prices []pricing.Price, expected uint64, action string, attrs ...any) (*tokenstorev1.Prices, error) {
	ctx, cancel := a.Call(c)
	defer cancel()
	put, err := a.Prices.PutPrices(ctx, &tokenstorev1.PutPricesRequest{Prices: pricing.ToStore(prices), ExpectedVersion: expected})
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	now := put.GetPrices()
	undo := &tokenstorev1.AuditUndo{Prices: &tokenstorev1.FormerPrices{Prices: before.GetPrices(), Became: now.GetVersion()}}
	a.NoteUndoable(c, undo, action, append(attrs, "count", len(now.GetPrices()))...)
	return now, nil
}

// importReport is what an import did, or would do.
type importReport struct {
	DryRun bool `json:"dry_run"`
	// Added, Changed, Unchanged and Removed count prices of the file's source.
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Removed   int `json:"removed"`
	// Kept are prices that an admin has set by hand, which the file has too.
	Kept int `json:"kept"`
	// Rounded are models whose price is finer than a pico-dollar a token, and was taken up.
	Rounded []string `json:"rounded"`
	// Tiered are models that cost more for long prompts, which is not counted.
	Tiered []string `json:"tiered"`
	// SkippedCount counts the rows that say nothing of use; Skipped names the first of them.
	SkippedCount int          `json:"skipped_count"`
	Skipped      []skippedRow `json:"skipped"`
	Version      uint64       `json:"version"`
}

type skippedRow struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func reportOf(found *pricing.Import, change pricing.Change) importReport {
	said := importReport{
		Added: change.Added, Changed: change.Changed, Unchanged: change.Unchanged, Removed: change.Removed, Kept: change.Kept,
		Rounded: nullable.List(found.Rounded[:min(len(found.Rounded), maxRowsShown)]),
		Tiered:  nullable.List(found.Tiered[:min(len(found.Tiered), maxRowsShown)]), SkippedCount: len(found.Skipped), Skipped: []skippedRow{},
	}
	for _, row := range found.Skipped[:min(len(found.Skipped), maxRowsShown)] {
		said.Skipped = append(said.Skipped, skippedRow{row.Name, row.Reason})
	}
	return said
}

// POST /admin/api/prices/import: the body is a file of prices
func (a *API) importPrices(c *gin.Context) error {
	q := queryOf(c, "format", "dry_run")
	formats := map[string]string{}
	for _, name := range pricing.Formats() {
		formats[name] = name
	}
	format, dry := choice(q, "format", formats), q.flag("dry_run")
	if format == "" {
		q.fail(jsonapi.Invalid("format", "%s wanted", oneOf(formats)))
	}
	version, err := jsonapi.ExpectedVersion(c)
	if err := cmp.Or(q.err, err); err != nil {
		return err
	}
	file, err := jsonapi.Body(c, priceFileLimit)
	if err != nil {
		return err
	}
	found, err := pricing.Read(format, file)
	if err != nil {
		return chat.Errorf(chat.InvalidRequest, "the file can't be read as %s: %v", format, err)
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.storedPrices(ctx)
	if err != nil {
		return err
	}
	merged, change := pricing.Merge(pricing.FromStore(before.GetPrices()), found.Prices, format)
	said := reportOf(found, change)
	said.Version = before.GetVersion()
	if said.DryRun = dry != nil && *dry; !said.DryRun {
		now, err := a.replacePrices(c, before, merged, cmp.Or(version, before.GetVersion()), "prices imported", "format", format,
			"added", change.Added, "changed", change.Changed, "removed", change.Removed)
		if err != nil {
			return err
		}
		said.Version = now.GetVersion()
	}
	return answerVersioned(c, http.StatusOK, said, said.Version)
}

// undoPrices takes prices back that nobody has changed since.
func (a *API) undoPrices(ctx context.Context, said *report, former *tokenstorev1.FormerPrices) error {
	if former == nil {
		return nil
	}
	now, err := a.storedPrices(ctx)
	if err != nil {
		return err
	}
	if now.GetVersion() != former.GetBecame() {
		said.fail("prices", "they have been changed since")
		return nil
	}
	if _, err := a.Prices.PutPrices(ctx, &tokenstorev1.PutPricesRequest{Prices: former.GetPrices(), ExpectedVersion: now.GetVersion()}); err != nil {
		return storeerr.Translate(err)
	}
	said.Undone++
	return nil
}
