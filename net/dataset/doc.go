// Package dataset holds samples with their labels or targets, and reads them from files.
//
// Start with [Open], which takes the names that [Sources] lists: built-in data, a folder with the
// files of MNIST or CIFAR, a folder of pictures with a sub-folder a class, a CSV or TSV file, a
// file of texts. [Options] says what a file or folder doesn't: which column is the label, which has
// the text, what size pictures get. [Set.Standardize] and [Set.Split] prepare the sets that Open
// returns, and a [Loader] makes batches of them. A set whose samples would take much of the memory
// streams them from disk, with the same bits. [Input] treats new data as the set's were.
//
// The samples of a set are arrays of floats of one shape, or texts, which are token ids and differ
// in length ([Set.IsText]). Texts lie one behind the other, without padding, in sets and in
// batches.
package dataset
