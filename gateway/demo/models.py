"""The models of the demo: what two teams of one shop keep in their MLflow servers.

Everything here is made up. Owners are roles under reserved domains, not people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DemoDataset:
    """Data that runs were made from; the digest says which state of it."""

    name: str
    digest: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoModel:
    """One registered model. Tuples and numbers that speak of versions start at version 1.

    `metrics` gives each version's value; `stages` each version's stage; `aliases` the version an alias names;
    `depends_on` the tag of that name by version; `made_from` further tags by version, such as `base_model`; `recipe`
    how a small real one is trained (`gateway.demo.training`), for which the metrics come from the training.
    """

    name: str
    about: str
    experiment: str
    framework: str
    metrics: Mapping[str, tuple[float, ...]]
    stages: tuple[str, ...]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    datasets: tuple[DemoDataset, ...]
    owner: str
    license: str = "proprietary"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    depends_on: Mapping[int, str] = field(default_factory=dict)
    made_from: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)
    recipe: str = ""

    def is_real(self, number: int) -> bool:
        """Whether a version is trained: the one that the model's page offers, of those with a recipe."""
        offered = max((at for at, stage in enumerate(self.stages, 1) if stage == P), default=len(self.stages))
        return bool(self.recipe) and number == offered


@dataclass(frozen=True, slots=True)
class DemoPrompt:
    """One prompt of the registry; each template is a version."""

    name: str
    templates: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoRegistry:
    """One team's MLflow server."""

    name: str
    team: str
    repository: str
    models: tuple[DemoModel, ...]
    prompts: tuple[DemoPrompt, ...]

    @property
    def versions(self) -> int:
        """How many versions it has, prompts included."""
        return sum(len(model.stages) for model in self.models) + sum(len(p.templates) for p in self.prompts)


P, S, A, N = "Production", "Staging", "Archived", "None"

PAYMENTS = DemoDataset("payments-2026q2", "9f3ac1d2", "s3://shop-risk-lake/payments/2026q2")
PAYMENTS_OLD = DemoDataset("payments-2025q4", "41be07aa", "s3://shop-risk-lake/payments/2025q4")
CHARGEBACKS = DemoDataset("chargebacks", "c07d55e1", "s3://shop-risk-lake/chargebacks/2026-06")
LOGINS = DemoDataset("login-events", "77aa90b3", "s3://shop-risk-lake/logins/2026-05")
IDENTITY = DemoDataset("identity-checks", "e15c2b08", "s3://shop-risk-lake/identity/2026-04")
LOANS = DemoDataset("instalment-loans", "2d9914f6", "s3://shop-risk-lake/loans/2026-03")
SELLERS = DemoDataset("seller-history", "b8e0f7c4", "s3://shop-risk-lake/sellers/2026-06")
CLICKS = DemoDataset("search-clicks", "5c61ad90", "gs://shop-search/clicks/2026-06")
QUERIES = DemoDataset("query-log", "0aa4e7d2", "gs://shop-search/queries/2026-06")
CATALOGUE = DemoDataset("catalogue-snapshot", "d4417be9", "gs://shop-search/catalogue/2026-06-01")
PHOTOS = DemoDataset("listing-photos", "83f26c05", "gs://shop-search/photos/2026-05")
REVIEWS = DemoDataset("product-reviews", "6be8d1f3", "gs://shop-search/reviews/2026-06")
ORDERS = DemoDataset("orders-weekly", "f9120cb7", "gs://shop-search/orders/2026w24")

FRAUD_OWNER, CREDIT_OWNER = "fraud-models@risk.example", "credit-models@risk.example"
IDENTITY_OWNER = "identity@risk.example"
RANKING_OWNER, QUERY_OWNER = "ranking@discovery.example", "query-understanding@discovery.example"
CATALOGUE_OWNER, EMBEDDING_OWNER = "catalogue-quality@discovery.example", "embeddings@discovery.example"
RECOMMEND_OWNER = "recommendations@discovery.example"

SCORE = {"score": "double"}
VECTOR = {"embedding": "tensor:float32:-1,384"}
TEXT = {"text": "string"}
PAYMENT = {
    "amount": "double",
    "currency": "string",
    "merchant_id": "string",
    "country": "string",
    "hour": "double",
}

FRAUD = DemoRegistry(
    "fraud",
    "risk",
    "https://git.risk.example/models/fraud.git",
    (
        DemoModel(
            name="card-fraud-scorer",
            about="Scores a card payment for fraud while the customer waits. The number decides on 3-D Secure.",
            experiment="payments",
            framework="sklearn",
            recipe="classifier",
            metrics={"auc": (0.934, 0.947, 0.958, 0.961), "latency_ms": (6.1, 6.4, 5.2, 5.3)},
            stages=(A, A, P, S),
            inputs=PAYMENT,
            outputs=SCORE,
            datasets=(PAYMENTS, CHARGEBACKS),
            owner=FRAUD_OWNER,
            params={"max_depth": "8", "n_estimators": "600", "learning_rate": "0.05"},
            tags={"task": "tabular-classification", "tier": "1"},
            aliases={"champion": 3, "challenger": 4},
            depends_on={
                2: "transaction-features:1",
                3: "transaction-features:2,device-fingerprint@champion",
                4: "transaction-features:3,device-fingerprint@champion,search/encoder:3",
            },
            notes={4: "Adds the text of the basket, encoded by the search team's encoder."},
        ),
        DemoModel(
            name="transaction-features",
            about="Turns raw payments into the features that every payment model reads.",
            experiment="payments",
            framework="sklearn",
            recipe="regressor",
            metrics={"coverage": (0.981, 0.993, 0.995)},
            stages=(A, P, S),
            inputs=PAYMENT,
            outputs={"features": "tensor:float64:-1,212"},
            datasets=(PAYMENTS,),
            owner=FRAUD_OWNER,
            params={"windows": "1h,24h,30d"},
            tags={"task": "feature-extraction", "tier": "1"},
            aliases={"champion": 2},
        ),
        DemoModel(
            name="device-fingerprint",
            about="Says how likely two sessions come from the same device.",
            experiment="identity",
            framework="lightgbm",
            metrics={"auc": (0.902, 0.915, 0.921)},
            stages=(A, A, P),
            inputs={"user_agent": "string", "screen": "string", "timezone": "string"},
            outputs=SCORE,
            datasets=(LOGINS,),
            owner=IDENTITY_OWNER,
            params={"num_leaves": "127"},
            tags={"task": "entity-matching", "tier": "1", "pii": "device"},
            aliases={"champion": 3},
        ),
        DemoModel(
            name="account-takeover-detector",
            about="Finds sessions in which somebody else has taken over an account.",
            experiment="identity",
            framework="pytorch",
            metrics={"auc": (0.911, 0.926, 0.938, 0.944), "recall_at_1pct_fpr": (0.41, 0.48, 0.55, 0.58)},
            stages=(A, A, P, S),
            inputs={"events": "tensor:float32:-1,64,16"},
            outputs=SCORE,
            datasets=(LOGINS, IDENTITY),
            owner=IDENTITY_OWNER,
            params={"layers": "4", "hidden": "128", "dropout": "0.2"},
            tags={"task": "sequence-classification", "tier": "1"},
            aliases={"champion": 3},
            depends_on={3: "device-fingerprint:3", 4: "device-fingerprint:3, transaction-features:3"},
        ),
        DemoModel(
            name="merchant-embedder",
            about="Places merchants near others that sell the like, from their names and descriptions.",
            experiment="payments",
            framework="sentence_transformers",
            metrics={"recall_at_10": (0.71, 0.78, 0.81)},
            stages=(A, P, N),
            inputs=TEXT,
            outputs=VECTOR,
            datasets=(SELLERS,),
            owner=FRAUD_OWNER,
            license="apache-2.0",
            params={"epochs": "3", "margin": "0.2"},
            tags={"task": "sentence-similarity", "language": "en,de,fr"},
            aliases={"champion": 2},
            depends_on={1: "search/encoder:2", 2: "search/encoder:3", 3: "search/encoder@champion"},
            made_from={
                2: {"fine_tuned_from": "search/encoder:3"},
                3: {"fine_tuned_from": "search/encoder:3"},
            },
        ),
        DemoModel(
            name="chargeback-predictor",
            about="Predicts whether a settled payment will be charged back within 90 days.",
            experiment="payments",
            framework="sklearn",
            recipe="classifier",
            metrics={"auc": (0.861, 0.873, 0.879), "brier": (0.081, 0.077, 0.074)},
            stages=(A, P, N),
            inputs=PAYMENT,
            outputs=SCORE,
            datasets=(PAYMENTS_OLD, CHARGEBACKS),
            owner=FRAUD_OWNER,
            params={"max_depth": "6"},
            tags={"task": "tabular-classification", "tier": "2"},
            aliases={"champion": 2},
            depends_on={2: "transaction-features:2", 3: "transaction-features:2,merchant-embedder:2"},
        ),
        DemoModel(
            name="aml-transaction-monitor",
            about="Raises alerts on payment patterns that look like money laundering.",
            experiment="aml",
            framework="lightgbm",
            metrics={"precision": (0.22, 0.27, 0.31), "recall": (0.83, 0.84, 0.86)},
            stages=(A, P, S),
            inputs={"account_id": "string", "features": "tensor:float64:-1,212"},
            outputs={"alert": "boolean", "score": "double"},
            datasets=(PAYMENTS,),
            owner=FRAUD_OWNER,
            tags={"task": "anomaly-detection", "tier": "1", "regulated": "yes"},
            aliases={"champion": 2, "audited": 2},
            depends_on={
                2: "transaction-features:2",
                3: "transaction-features@champion,aml-entity-resolution:2",
            },
        ),
        DemoModel(
            name="aml-entity-resolution",
            about="Joins records of the same company under different spellings.",
            experiment="aml",
            framework="python_function",
            recipe="alike",
            metrics={"f1": (0.884, 0.907)},
            stages=(A, P),
            inputs={"left": "string", "right": "string"},
            outputs=SCORE,
            datasets=(SELLERS,),
            owner=FRAUD_OWNER,
            tags={"task": "entity-matching", "regulated": "yes"},
            aliases={"champion": 2},
            depends_on={2: "merchant-embedder:2"},
        ),
        DemoModel(
            name="sanctions-name-matcher",
            about="Compares names with the sanctions lists across scripts and transliterations.",
            experiment="aml",
            framework="transformers",
            metrics={"recall": (0.962, 0.971, 0.983), "precision": (0.61, 0.64, 0.70)},
            stages=(A, A, P),
            inputs={"name": "string", "country": "string"},
            outputs={"matches": "array<string>", "score": "double"},
            datasets=(IDENTITY,),
            owner=IDENTITY_OWNER,
            license="apache-2.0",
            tags={"task": "text-classification", "regulated": "yes", "tier": "1"},
            aliases={"champion": 3},
            depends_on={2: "search/encoder:2", 3: "search/encoder:2"},
            made_from={3: {"base_model": "search/encoder:2"}},
        ),
        DemoModel(
            name="synthetic-identity-detector",
            about="Finds applications whose person does not exist.",
            experiment="identity",
            framework="pytorch",
            metrics={"auc": (0.872, 0.899)},
            stages=(A, P),
            inputs={"application": "string", "device_score": "double"},
            outputs=SCORE,
            datasets=(IDENTITY,),
            owner=IDENTITY_OWNER,
            tags={"task": "tabular-classification", "pii": "identity"},
            aliases={"champion": 2},
            depends_on={2: "device-fingerprint:3,document-forgery-vision:2"},
        ),
        DemoModel(
            name="document-forgery-vision",
            about="Looks for edited areas in photographed identity documents.",
            experiment="identity",
            framework="pytorch",
            metrics={"auc": (0.917, 0.942)},
            stages=(A, P),
            inputs={"image": "tensor:uint8:-1,512,512,3"},
            outputs={"score": "double", "mask": "tensor:float32:-1,512,512"},
            datasets=(IDENTITY,),
            owner=IDENTITY_OWNER,
            tags={"task": "image-classification", "pii": "document"},
            aliases={"champion": 2},
            depends_on={2: "search/image-encoder:2"},
        ),
        DemoModel(
            name="kyc-face-match",
            about="Compares a selfie with the photo on a document. Runs in the verification app only.",
            experiment="identity",
            framework="onnx",
            metrics={"false_match_rate": (0.0011, 0.0006), "false_non_match_rate": (0.031, 0.022)},
            stages=(A, P),
            inputs={"selfie": "tensor:uint8:-1,224,224,3", "document": "tensor:uint8:-1,224,224,3"},
            outputs=SCORE,
            datasets=(IDENTITY,),
            owner=IDENTITY_OWNER,
            tags={"task": "face-verification", "pii": "biometric", "regulated": "yes"},
            aliases={"champion": 2},
        ),
        DemoModel(
            name="credit-default-risk",
            about="Probability of default within twelve months for instalment purchases.",
            experiment="credit",
            framework="sklearn",
            recipe="classifier",
            metrics={"auc": (0.744, 0.758, 0.771, 0.773), "ks": (0.36, 0.38, 0.41, 0.41)},
            stages=(A, A, P, N),
            inputs={
                "income": "double",
                "orders": "double",
                "late_payments": "double",
                "age_of_account": "double",
            },
            outputs={"probability": "double"},
            datasets=(LOANS,),
            owner=CREDIT_OWNER,
            params={"max_depth": "4", "monotone": "yes"},
            tags={"task": "tabular-classification", "regulated": "yes", "tier": "1"},
            aliases={"champion": 3, "audited": 3},
            notes={4: "Rejected by validation: unstable on customers younger than a year."},
        ),
        DemoModel(
            name="credit-limit-recommender",
            about="Suggests a limit for instalment purchases from default risk and spending.",
            experiment="credit",
            framework="sklearn",
            recipe="regressor",
            metrics={"expected_loss": (0.021, 0.018)},
            stages=(A, P),
            inputs={"probability": "double", "monthly_spend": "double"},
            outputs={"limit": "double"},
            datasets=(LOANS,),
            owner=CREDIT_OWNER,
            tags={"task": "tabular-regression", "regulated": "yes"},
            aliases={"champion": 2},
            depends_on={1: "credit-default-risk:2", 2: "credit-default-risk@champion"},
        ),
        DemoModel(
            name="seller-trust",
            about="How far a seller can be trusted, from deliveries, refunds and complaints.",
            experiment="marketplace",
            framework="sklearn",
            recipe="regressor",
            metrics={"spearman": (0.58, 0.63, 0.66)},
            stages=(A, P, S),
            inputs={"seller_id": "string", "orders": "double", "refund_rate": "double"},
            outputs={"trust": "double"},
            datasets=(SELLERS,),
            owner=FRAUD_OWNER,
            tags={"task": "tabular-regression", "tier": "2"},
            aliases={"champion": 2},
            depends_on={2: "merchant-embedder:2", 3: "merchant-embedder:2,search/review-sentiment:2"},
        ),
        DemoModel(
            name="refund-abuse",
            about="Finds customers who send back what they have used, or never send it.",
            experiment="marketplace",
            framework="sklearn",
            recipe="classifier",
            metrics={"auc": (0.801, 0.823, 0.829)},
            stages=(A, P, N),
            inputs={"customer_id": "string", "refunds": "double", "basket": "double"},
            outputs=SCORE,
            datasets=(PAYMENTS, SELLERS),
            owner=FRAUD_OWNER,
            tags={"task": "tabular-classification"},
            aliases={"champion": 2},
            depends_on={2: "transaction-features:2", 3: "transaction-features:3"},
        ),
        DemoModel(
            name="promo-abuse-graph",
            about="Finds rings of accounts that share vouchers, in the graph of devices and addresses.",
            experiment="marketplace",
            framework="pytorch",
            metrics={"average_precision": (0.64, 0.69)},
            stages=(N, S),
            inputs={"nodes": "tensor:float32:-1,96", "edges": "tensor:int64:2,-1"},
            outputs={"scores": "tensor:float32:-1"},
            datasets=(LOGINS, PAYMENTS),
            owner=FRAUD_OWNER,
            tags={"task": "graph-ml"},
            depends_on={2: "device-fingerprint@champion,account-takeover-detector:3"},
        ),
        DemoModel(
            name="phishing-url-classifier",
            about="Classifies links in messages between buyers and sellers.",
            experiment="marketplace",
            framework="transformers",
            metrics={"f1": (0.931, 0.948, 0.957)},
            stages=(A, P, N),
            inputs={"url": "string", "message": "string"},
            outputs={"label": "string", "score": "double"},
            datasets=(LOGINS,),
            owner=IDENTITY_OWNER,
            license="mit",
            tags={"task": "text-classification", "language": "multilingual"},
            aliases={"champion": 2},
            depends_on={2: "search/query-language-detector@champion", 3: "search/query-language-detector:2"},
        ),
        DemoModel(
            name="dispute-summariser",
            about="Sums up a payment dispute for the case worker who decides it.",
            experiment="marketplace",
            framework="transformers",
            metrics={"rouge_l": (0.41, 0.46), "faithfulness": (0.88, 0.93)},
            stages=(N, P),
            inputs=TEXT,
            outputs={"summary": "string"},
            datasets=(CHARGEBACKS,),
            owner=FRAUD_OWNER,
            license="apache-2.0",
            params={"lora_rank": "16", "base": "7b"},
            tags={"task": "summarization", "language": "en"},
            aliases={"champion": 2},
            depends_on={2: "models:/dispute-prompt/2"},
            made_from={2: {"base_model": "search/catalogue-writer:1"}},
        ),
        DemoModel(
            name="risk-decision-ensemble",
            about="Weighs all risk models into accept, review or decline. The last word at checkout.",
            experiment="payments",
            framework="sklearn",
            metrics={"approval_rate": (0.947, 0.953, 0.956), "fraud_bps": (7.9, 6.8, 6.1)},
            stages=(A, P, S),
            inputs={"scores": "tensor:float64:-1,5"},
            outputs={"decision": "string"},
            datasets=(PAYMENTS, CHARGEBACKS),
            owner=FRAUD_OWNER,
            tags={"task": "decision", "tier": "0"},
            aliases={"champion": 2},
            depends_on={
                1: "card-fraud-scorer:2",
                2: "card-fraud-scorer@champion,account-takeover-detector@champion,seller-trust:2",
                3: "card-fraud-scorer:4,account-takeover-detector@champion,seller-trust@champion,refund-abuse:2",
            },
        ),
    ),
    (
        DemoPrompt(
            "dispute-prompt",
            (
                "Sum up this dispute in three sentences:\n{{ dispute }}",
                "Sum up this dispute in three sentences. Name amounts and dates, judge nobody:\n{{ dispute }}",
            ),
            {"owner": FRAUD_OWNER, "task": "summarization"},
            {"production": 2},
        ),
    ),
)

SEARCH = DemoRegistry(
    "search",
    "discovery",
    "https://git.discovery.example/search/models.git",
    (
        DemoModel(
            name="encoder",
            about="Encodes any short text of the shop. Half the company builds on it: ask before you archive.",
            experiment="embeddings",
            framework="sentence_transformers",
            metrics={"ndcg_at_10": (0.512, 0.547, 0.581), "latency_ms": (4.8, 5.0, 3.9)},
            stages=(A, P, P),
            inputs=TEXT,
            outputs=VECTOR,
            datasets=(QUERIES, CATALOGUE),
            owner=EMBEDDING_OWNER,
            license="apache-2.0",
            params={"dimension": "384", "pooling": "mean", "batch_size": "512"},
            tags={"task": "sentence-similarity", "language": "multilingual", "tier": "0"},
            aliases={"champion": 3, "stable": 2},
            made_from={3: {"base_model": "library/multilingual-base:2"}},
            notes={2: "Kept in production for those who have not moved to version 3."},
        ),
        DemoModel(
            name="encoder-small",
            about="The encoder, distilled for phones and for the autocomplete service.",
            experiment="embeddings",
            framework="onnx",
            metrics={"ndcg_at_10": (0.531, 0.566), "latency_ms": (0.9, 0.8)},
            stages=(A, P),
            inputs=TEXT,
            outputs={"embedding": "tensor:float32:-1,128"},
            datasets=(QUERIES,),
            owner=EMBEDDING_OWNER,
            license="apache-2.0",
            tags={"task": "sentence-similarity", "language": "multilingual"},
            aliases={"champion": 2},
            made_from={1: {"distilled_from": "encoder:2"}, 2: {"distilled_from": "encoder:3"}},
        ),
        DemoModel(
            name="image-encoder",
            about="Encodes listing photos into the space of the text encoder.",
            experiment="embeddings",
            framework="pytorch",
            metrics={"recall_at_1": (0.38, 0.44)},
            stages=(A, P),
            inputs={"image": "tensor:uint8:-1,224,224,3"},
            outputs={"embedding": "tensor:float32:-1,384"},
            datasets=(PHOTOS,),
            owner=EMBEDDING_OWNER,
            license="mit",
            tags={"task": "image-feature-extraction", "tier": "1"},
            aliases={"champion": 2},
            depends_on={2: "encoder:3"},
        ),
        DemoModel(
            name="query-language-detector",
            about="Detects the language of a query of two words.",
            experiment="queries",
            framework="sklearn",
            recipe="words",
            metrics={"accuracy": (0.936, 0.957)},
            stages=(A, P),
            inputs=TEXT,
            outputs={"language": "string", "score": "double"},
            datasets=(QUERIES,),
            owner=QUERY_OWNER,
            tags={"task": "text-classification", "language": "multilingual"},
            aliases={"champion": 2},
        ),
        DemoModel(
            name="query-spelling-corrector",
            about="Corrects misspelt queries and leaves brand names alone.",
            experiment="queries",
            framework="transformers",
            metrics={"exact_match": (0.79, 0.83, 0.86)},
            stages=(A, P, S),
            inputs=TEXT,
            outputs=TEXT,
            datasets=(QUERIES,),
            owner=QUERY_OWNER,
            tags={"task": "text2text-generation"},
            aliases={"champion": 2},
            depends_on={2: "query-language-detector:2", 3: "query-language-detector@champion"},
        ),
        DemoModel(
            name="query-intent-classifier",
            about="Tells a search for a product from a question about an order.",
            experiment="queries",
            framework="sklearn",
            recipe="words",
            metrics={"f1": (0.874, 0.896, 0.913)},
            stages=(A, P, N),
            inputs=TEXT,
            outputs={"intent": "string", "score": "double"},
            datasets=(QUERIES,),
            owner=QUERY_OWNER,
            tags={"task": "text-classification"},
            aliases={"champion": 2},
            depends_on={1: "encoder:1", 2: "encoder:3", 3: "encoder:3"},
        ),
        DemoModel(
            name="query-category-predictor",
            about="Maps a query to categories of the catalogue.",
            experiment="queries",
            framework="sklearn",
            recipe="words",
            metrics={"precision_at_3": (0.81, 0.84)},
            stages=(A, P),
            inputs=TEXT,
            outputs={"categories": "array<string>"},
            datasets=(QUERIES, CATALOGUE),
            owner=QUERY_OWNER,
            tags={"task": "text-classification"},
            aliases={"champion": 2},
            depends_on={2: "encoder-small:2"},
        ),
        DemoModel(
            name="query-expander",
            about="Adds the words a customer meant. Switched off in two countries.",
            experiment="queries",
            framework="transformers",
            metrics={"recall_gain": (0.034, 0.051)},
            stages=(A, S),
            inputs=TEXT,
            outputs={"terms": "array<string>"},
            datasets=(QUERIES, CLICKS),
            owner=QUERY_OWNER,
            tags={"task": "text2text-generation"},
            depends_on={1: "encoder:2", 2: "encoder@champion,retired-synonym-graph:4"},
            notes={2: "Still reads the synonym graph, which nobody maintains."},
        ),
        DemoModel(
            name="click-model",
            about="Estimates how attractive a result is once position bias is taken out.",
            experiment="ranking",
            framework="lightgbm",
            metrics={"perplexity": (1.42, 1.38, 1.35)},
            stages=(A, P, N),
            inputs={"position": "long", "features": "tensor:float32:-1,64"},
            outputs={"attractiveness": "double"},
            datasets=(CLICKS,),
            owner=RANKING_OWNER,
            tags={"task": "learning-to-rank"},
            aliases={"champion": 2},
        ),
        DemoModel(
            name="product-ranker",
            about="Orders the results of every search. Retrained weekly.",
            experiment="ranking",
            framework="lightgbm",
            metrics={
                "ndcg_at_10": (0.601, 0.613, 0.624, 0.637, 0.641),
                "revenue_per_search": (1.0, 1.012, 1.019, 1.031, 1.034),
            },
            stages=(A, A, A, P, S),
            inputs={"query": "string", "features": "tensor:float32:-1,180"},
            outputs={"scores": "tensor:float32:-1"},
            datasets=(CLICKS, ORDERS),
            owner=RANKING_OWNER,
            params={"objective": "lambdarank", "num_leaves": "255", "rounds": "1200"},
            tags={"task": "learning-to-rank", "tier": "0"},
            aliases={"champion": 4, "challenger": 5},
            depends_on={
                3: "encoder:2,click-model:1",
                4: "encoder:3,click-model@champion,fraud/seller-trust@champion",
                5: "encoder:3,click-model:3,fraud/seller-trust@champion,image-encoder:2",
            },
        ),
        DemoModel(
            name="product-reranker",
            about="Reads query and product together for the first twenty results.",
            experiment="ranking",
            framework="transformers",
            metrics={"ndcg_at_10": (0.662, 0.679, 0.684), "latency_ms": (38.0, 31.0, 24.0)},
            stages=(A, P, N),
            inputs={"query": "string", "product": "string"},
            outputs=SCORE,
            datasets=(CLICKS,),
            owner=RANKING_OWNER,
            license="apache-2.0",
            tags={"task": "text-ranking", "tier": "1"},
            aliases={"champion": 2},
            depends_on={2: "product-ranker@champion", 3: "product-ranker:5"},
            made_from={2: {"fine_tuned_from": "encoder:3"}, 3: {"fine_tuned_from": "encoder:3"}},
        ),
        DemoModel(
            name="autocomplete-ranker",
            about="Orders the suggestions while a customer types.",
            experiment="ranking",
            framework="xgboost",
            metrics={"mrr": (0.58, 0.61, 0.64)},
            stages=(A, P, N),
            inputs={"prefix": "string", "candidates": "array<string>"},
            outputs={"scores": "tensor:float32:-1"},
            datasets=(QUERIES, CLICKS),
            owner=RANKING_OWNER,
            tags={"task": "learning-to-rank"},
            aliases={"champion": 2},
            depends_on={2: "encoder-small:1", 3: "encoder-small:2"},
        ),
        DemoModel(
            name="visual-search-index",
            about="Finds listings by photo.",
            experiment="ranking",
            framework="faiss",
            metrics={"recall_at_20": (0.69, 0.75)},
            stages=(A, P),
            inputs={"embedding": "tensor:float32:-1,384"},
            outputs={"listings": "array<string>"},
            datasets=(PHOTOS,),
            owner=RANKING_OWNER,
            tags={"task": "image-retrieval"},
            aliases={"champion": 2},
            depends_on={1: "image-encoder:1", 2: "image-encoder:2"},
        ),
        DemoModel(
            name="catalogue-deduplicator",
            about="Finds listings of the same product.",
            experiment="catalogue",
            framework="python_function",
            recipe="alike",
            metrics={"f1": (0.901, 0.927)},
            stages=(A, P),
            inputs={"left": "string", "right": "string"},
            outputs=SCORE,
            datasets=(CATALOGUE, PHOTOS),
            owner=CATALOGUE_OWNER,
            tags={"task": "entity-matching"},
            aliases={"champion": 2},
            depends_on={2: "encoder:3,image-encoder:2"},
        ),
        DemoModel(
            name="catalogue-attribute-extractor",
            about="Reads brand, colour, size and material off titles and descriptions.",
            experiment="catalogue",
            framework="spacy",
            metrics={"f1": (0.832, 0.851, 0.868)},
            stages=(A, P, S),
            inputs=TEXT,
            outputs={"attributes": "map<string>"},
            datasets=(CATALOGUE,),
            owner=CATALOGUE_OWNER,
            tags={"task": "token-classification", "language": "en,de,fr"},
            aliases={"champion": 2},
            depends_on={3: "query-language-detector:2"},
        ),
        DemoModel(
            name="catalogue-writer",
            about="Writes titles for listings whose sellers gave none.",
            experiment="catalogue",
            framework="transformers",
            metrics={"acceptance": (0.72, 0.79)},
            stages=(P, S),
            inputs={"attributes": "map<string>"},
            outputs={"title": "string"},
            datasets=(CATALOGUE,),
            owner=CATALOGUE_OWNER,
            license="apache-2.0",
            params={"lora_rank": "32"},
            tags={"task": "text-generation", "language": "en"},
            aliases={"champion": 1},
            depends_on={2: "catalogue-attribute-extractor:2,models:/title-prompt/1"},
        ),
        DemoModel(
            name="review-sentiment",
            about="Sentiment of product reviews by aspect: delivery, quality, price.",
            experiment="catalogue",
            framework="sklearn",
            recipe="words",
            metrics={"f1": (0.866, 0.889)},
            stages=(A, P),
            inputs=TEXT,
            outputs={"aspects": "map<double>"},
            datasets=(REVIEWS,),
            owner=CATALOGUE_OWNER,
            license="apache-2.0",
            tags={"task": "text-classification", "language": "multilingual"},
            aliases={"champion": 2},
            made_from={2: {"fine_tuned_from": "encoder:3"}},
        ),
        DemoModel(
            name="session-recommender",
            about="What to show next, from what this visit has been about so far.",
            experiment="recommendations",
            framework="pytorch",
            metrics={"hit_rate_at_20": (0.211, 0.228, 0.241)},
            stages=(A, P, S),
            inputs={"items": "tensor:int64:-1,50"},
            outputs={"items": "tensor:int64:-1,20"},
            datasets=(CLICKS, ORDERS),
            owner=RECOMMEND_OWNER,
            params={"heads": "4", "layers": "2"},
            tags={"task": "recommendation", "tier": "1"},
            aliases={"champion": 2},
            depends_on={2: "encoder:3", 3: "encoder:3,image-encoder@champion"},
        ),
        DemoModel(
            name="conversion-predictor",
            about="Probability that a shown product is bought in this visit.",
            experiment="recommendations",
            framework="xgboost",
            metrics={"auc": (0.781, 0.796, 0.803)},
            stages=(A, P, N),
            inputs={"features": "tensor:float32:-1,180"},
            outputs={"probability": "double"},
            datasets=(CLICKS, ORDERS),
            owner=RECOMMEND_OWNER,
            tags={"task": "tabular-classification"},
            aliases={"champion": 2},
            depends_on={2: "session-recommender:2", 3: "session-recommender:3,fraud/seller-trust:2"},
        ),
        DemoModel(
            name="demand-forecaster",
            about="Weekly demand per product for the next quarter.",
            experiment="recommendations",
            framework="prophet",
            metrics={"mape": (0.243, 0.221, 0.214)},
            stages=(A, P, N),
            inputs={"product_id": "string", "week": "datetime"},
            outputs={"units": "double", "low": "double", "high": "double"},
            datasets=(ORDERS,),
            owner=RECOMMEND_OWNER,
            tags={"task": "time-series-forecasting"},
            aliases={"champion": 2},
        ),
    ),
    (
        DemoPrompt(
            "title-prompt",
            ("Write a listing title of at most 60 characters from: {{ attributes }}",),
            {"owner": CATALOGUE_OWNER, "task": "text-generation"},
            {"production": 1},
        ),
    ),
)

REGISTRIES = (FRAUD, SEARCH)
