// Package findings says what a study shows: four answers, about accuracy, cost, sensitivity to rho,
// and flatness, each with a sentence, pictures and tables. It writes them as one page of HTML, as
// Markdown, and as pictures of their own.
//
// Sentences are made from the results. They claim a difference only if the study's corrected test
// does, and say so as well where there is none.
package findings
