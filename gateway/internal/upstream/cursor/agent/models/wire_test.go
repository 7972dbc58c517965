package models_test

// Lists and questions as they go over the wire, in hexadecimal, without a frame.

// usableModels: models (1), each with model_id 1, display_model_id 3, display_name 4,
// display_name_short 5, aliases 6: composer-2.5 and default.
const usableModels = "" +
	"0a420a0c636f6d706f7365722d322e351a0c636f6d706f7365722d322e35220c436f6d706f73657220322e352a0c436f6d706f73657220322e353208" +
	"636f6d706f7365720a210a0764656661756c741a046175746f22044175746f2a044175746f32046175746f"

// question: use_model_parameters (5) and do_not_use_markdown (7).
const question = "" +
	"28013801"

// availableModels: one model (2): name 1, default_on 2, agent 5, thinking 9, images 10, window 15,
// display name 17, server name 18, variant 30 (parameters 1, default for max 4 and else 5, string
// 9, legacy_slug 11), legacy_slugs 36, vendor_name 41.
const availableModels = "" +
	"12a5010a0867726f6b2d342e3610012801480150017880d00f8a010847726f6b20342e3692010867726f6b2d342e36f2015f0a0e0a066566666f7274" +
	"1204686967680a0d0a0466617374120566616c736512044869676828014a2067726f6b2d342e365b6566666f72743d686967682c666173743d66616c" +
	"73655d5a14637572736f722d67726f6b2d342e362d68696768a20214637572736f722d67726f6b2d342e362d686967685801"

// requested: model_id 1, parameters (3) effort=high and fast=false.
const requested = "" +
	"0a0867726f6b2d342e361a0e0a066566666f72741204686967681a0d0a0466617374120566616c7365"
