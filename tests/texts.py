"""A little text of our own for training tiny tokenizers and feeding tiny models."""

LINES = (
    "The lighthouse keeper wrote down the weather every morning before the kettle had boiled.",
    "On Tuesday the wind came from the north, and the gulls stayed on the roof of the boat house.",
    "He had counted ninety-seven ships in March; in April he stopped counting and began to draw them.",
    "A long letter takes a long time to read, but a short one may take longer to understand.",
    "Nobody asked why the second lamp was never lit, so nobody learned that it had been sold.",
    "The children of the village believed that the fog was made in the old factory behind the hill.",
    "When the storm broke the window, the draught turned all the pages of the log at once.",
    "Reading it backwards, the keeper found that every tenth day he had written the same sentence.",
    "Is a rule still a rule when it is kept by accident? The inspector thought so; his clerk did not.",
    "Numbers such as 3.14, 1,024 and 65536 stood in the margin, next to a recipe for plum cake.",
    "The ferry left at 7:45, or at 8:15 when the captain's brother had come home late.",
    "From the gallery one could see four islands, two of which were not on any map.",
    "They painted the door blue because blue paint was what the shop had left in autumn.",
    "The radio said that the bridge was closed; the bridge, being a bridge, said nothing at all.",
    "Every answer in the book was correct, and every question had been torn out.",
    "Le gardien du phare notait le temps chaque matin, avant que l'eau ne soit chaude.",
    "Une lettre longue demande du temps; une lettre courte en demande parfois davantage.",
    "Les enfants croyaient que le brouillard sortait de la vieille usine derrière la colline.",
    "Der Wärter schrieb jeden Morgen das Wetter auf, bevor das Wasser kochte.",
    "Von der Galerie sah man vier Inseln, von denen zwei auf keiner Karte standen.",
    "Nadie preguntó por qué la segunda lámpara nunca se encendía.",
    "守灯塔的人每天早晨在水烧开之前记下天气。",
    "没有人问过第二盏灯为什么从来不亮。",
)

TEXT = " ".join(LINES)


def long_text(words: int) -> str:
    """Return at least `words` words of the text, over and over, numbered so that no two passages are equal."""
    pieces: list[str] = []
    count = 0
    while count < words:
        line = LINES[len(pieces) % 15]
        pieces.append(f"{len(pieces)}. {line}")
        count += len(line.split()) + 1
    return " ".join(pieces)
