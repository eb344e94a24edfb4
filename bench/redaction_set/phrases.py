"""The sentences around the numbers. `{}` stands for the number."""

CARD = {
    "en": ["my card number is {}", "sure it's {}", "{}", "the long number on the card is {} thank you", "yes my Visa is {}"],
    "de": ["meine Kartennummer ist {}", "ja das ist {}", "{}", "die Nummer der Kreditkarte lautet {} danke", "also {}"],
    "fr": ["mon numéro de carte est le {}", "oui c'est {}", "{}", "le numéro de ma carte bancaire {} merci", "alors {}"],
    "es": ["mi número de tarjeta es {}", "sí es {}", "{}", "el número de la tarjeta de crédito es {} gracias", "pues {}"],
    "it": ["il numero della mia carta è {}", "sì è {}", "{}", "il numero di carta di credito è {} grazie", "allora {}"],
    "pt": ["o número do meu cartão é {}", "sim é {}", "{}", "o número do cartão de crédito é {} obrigado", "então {}"],
    "nl": ["mijn kaartnummer is {}", "ja dat is {}", "{}", "het nummer van mijn kaart is {} dank u", "dus {}"],
}  # fmt: skip

ASK = {
    "en": "can I have your card number please", "de": "wie ist bitte Ihre Kartennummer",
    "fr": "quel est votre numéro de carte s'il vous plaît", "es": "me dice su número de tarjeta por favor",
    "it": "mi dice il numero di carta per favore", "pt": "qual é o número do cartão por favor",
    "nl": "mag ik uw kaartnummer alstublieft",
}  # fmt: skip

ASK_OTHER = {
    "en": "what is your order number please", "de": "wie ist bitte Ihre Bestellnummer",
    "fr": "quel est votre numéro de commande", "es": "cuál es su número de pedido",
    "it": "qual è il numero d'ordine", "pt": "qual é o número do pedido", "nl": "wat is uw bestelnummer",
}  # fmt: skip

ASK_CODE = {
    "en": "and the three digits on the back", "de": "und die Prüfziffer auf der Rückseite",
    "fr": "et le cryptogramme au dos", "es": "y el código de seguridad", "it": "e il codice di sicurezza",
    "pt": "e o código de segurança", "nl": "en de beveiligingscode",
}  # fmt: skip

CODE = {
    "en": ["the security code is {}", "cvv {}", "{} is the code on the back", "the three digits are {} okay"],
    "de": ["der Sicherheitscode ist {}", "Prüfziffer {}", "die drei Ziffern auf der Rückseite sind {}"],
    "fr": ["le code de sécurité est {}", "le cryptogramme est {}", "les trois chiffres au dos sont {}"],
    "es": ["el código de seguridad es {}", "cvv {}", "los tres dígitos son {} gracias"],
    "it": ["il codice di sicurezza è {}", "cvv {}", "le tre cifre sul retro sono {}"],
    "pt": ["o código de segurança é {}", "cvv {}", "os três dígitos no verso são {}"],
    "nl": ["de beveiligingscode is {}", "cvc {}", "de drie cijfers op de achterkant zijn {}"],
}  # fmt: skip

OKAY = {
    "en": "okay",
    "de": "ja",
    "fr": "oui",
    "es": "vale",
    "it": "va bene",
    "pt": "certo",
    "nl": "ja",
}
FILLER = {"en": "uh", "de": "äh", "fr": "euh", "es": "eh", "it": "ehm", "pt": "eh", "nl": "eh"}
NO = {
    "en": "no sorry", "de": "nein", "fr": "non pardon", "es": "no perdón", "it": "no scusi", "pt": "não desculpe",
    "nl": "nee sorry",
}  # fmt: skip
DOUBLE = {
    "en": "double", "de": "doppel", "fr": "double", "es": "doble", "it": "doppio", "pt": "duplo", "nl": "dubbel",
}  # fmt: skip

ALIKE = {
    "en": {"four": "for", "two": "to", "one": "won", "eight": "ate", "zero": "oh"},
    "de": {"zwei": "zwo", "eins": "ein", "drei": "zwei"},
    "fr": {"six": "dix", "sept": "cet", "un": "hein"},
    "es": {"seis": "siete", "dos": "doce"},
    "it": {"sei": "sette", "tre": "tra"},
    "pt": {"seis": "meia", "três": "treze"},
    "nl": {"zeven": "negen", "een": "eens"},
}
"""Words that recognisers confuse with a digit."""

ADDED = {
    "en": "the a is it you that of thing", "de": "die das ist es so der auch", "fr": "le c'est ce il que les",
    "es": "el es que la lo de", "it": "il che la di con", "pt": "o é que de com", "nl": "de het is dat die van",
}  # fmt: skip
"""Short words that recognisers put between digits."""

NO_DIGITS = frozenset({"for", "to", "won", "ate", "ein", "cet", "hein", "tra"})
JOINERS = frozenset({"and", "y", "e", "et", *DOUBLE.values()})

NEAR_MISSES: dict[str, dict[str, str]] = {
    "order": {
        "en": "my order number is {}", "de": "meine Bestellnummer ist {}", "fr": "mon numéro de commande est le {}",
        "es": "mi número de pedido es {}", "it": "il mio numero d'ordine è {}", "pt": "o número do pedido é {}",
        "nl": "mijn bestelnummer is {}",
    },
    "tracking": {
        "en": "the tracking number is {}", "de": "die Sendungsnummer ist {}", "fr": "le numéro de suivi est {}",
        "es": "el número de seguimiento es {}", "it": "il tracciamento della spedizione è {}",
        "pt": "o rastreio da encomenda é {}", "nl": "het trackingnummer is {}",
    },
    "telephone": {
        "en": "you can call me on {}", "de": "meine Telefonnummer ist {}", "fr": "mon numéro de téléphone c'est le {}",
        "es": "mi teléfono es el {}", "it": "il mio cellulare è {}", "pt": "o meu telefone é {}",
        "nl": "mijn telefoonnummer is {}",
    },
    "price": {
        "en": "that comes to {} dollars", "de": "das macht {} Euro", "fr": "ça fait {} euros", "es": "son {} euros",
        "it": "sono {} euro", "pt": "são {} euros", "nl": "dat is {} euro",
    },
    "year": {
        "en": "I have been a customer since {}", "de": "ich bin Kunde seit {}", "fr": "je suis client depuis {}",
        "es": "soy cliente desde {}", "it": "sono cliente dal {}", "pt": "sou cliente desde {}", "nl": "ik ben klant sinds {}",
    },
    "extension": {
        "en": "please put me through to extension {}", "de": "bitte die Durchwahl {}", "fr": "le poste {} s'il vous plaît",
        "es": "la extensión {} por favor", "it": "l'interno {} per favore", "pt": "o ramal {} por favor",
        "nl": "toestel {} alstublieft",
    },
    "quantity": {
        "en": "we need {} of them by Friday", "de": "wir brauchen {} davon bis Freitag", "fr": "il nous en faut {} vendredi",
        "es": "necesitamos {} para el viernes", "it": "ce ne servono {} entro venerdì", "pt": "precisamos de {} até sexta",
        "nl": "we hebben er {} nodig voor vrijdag",
    },
    "postcode": {
        "en": "the zip code is {}", "de": "die Postleitzahl ist {}", "fr": "le code postal est {}", "es": "el código postal es {}",
        "it": "il CAP è {}", "pt": "o código postal é {}", "nl": "de straat is nummer {}",
    },
    "last_four": {
        "en": "it is the card ending in {}", "de": "es ist die Karte die endet auf {}", "fr": "la carte qui se termine par {}",
        "es": "la tarjeta que termina en {}", "it": "la carta che finisce con {}", "pt": "o cartão que termina em {}",
        "nl": "de kaart die eindigt op {}",
    },
    "bare": {
        "en": "it's {}", "de": "das ist die {}", "fr": "c'est le {}", "es": "es el {}", "it": "è il {}", "pt": "é o {}", "nl": "het is {}",
    },
    "turns": {},
    "abroad": {
        "en": "it's plus {}", "de": "das ist die plus {}", "fr": "c'est le plus {}", "es": "es el más {}", "it": "è il più {}",
        "pt": "é o mais {}", "nl": "het is plus {}",
    },
    "two": {
        "en": "we sold 4500 to {} people", "de": "wir haben 4500 bis {} verkauft", "fr": "il y en a 4500 pour {} clients",
        "es": "hay 4500 para {} personas", "it": "sono 4500 per {} persone", "pt": "são 4500 para {} pessoas",
        "nl": "er zijn 4500 voor {} mensen",
    },
    "bought": {
        "en": "I paid by card in {} I think", "de": "ich habe {} mit der Karte bezahlt", "fr": "en {} j'ai payé par carte",
        "es": "en {} pagué con tarjeta", "it": "nel {} ho pagato con carta", "pt": "em {} paguei com cartão",
        "nl": "in {} heb ik met de kaart betaald",
    },
}  # fmt: skip
