// Package generate goes on with texts by a language model, token by token. It has one function,
// [Text]; the model may be any that ends in logits for the next token, such as those of package zoo
// whose names begin with gpt.
package generate
