"""What a careless extractor keeps of a web page: menus, links, notices, and no article."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

_MENU = [
    "Home", "About", "About us", "Contact", "Contact us", "Login", "Log in", "Sign up", "Sign in",
    "Register", "My account", "Cart", "Checkout", "Search", "Help", "FAQ", "Support", "Blog",
    "News", "Products", "Services", "Careers", "Press", "Privacy", "Privacy Policy", "Terms",
    "Terms of Use", "Sitemap", "Site map", "RSS", "Print", "Email", "Share", "Tweet", "Follow us",
    "Subscribe", "Newsletter", "Next", "Previous", "Back", "Back to top", "Read more", "More",
    "Show all", "Categories", "Archives", "Tags", "Comments", "Reply", "Report", "Download",
    "Gallery", "Forum", "Events", "Shop", "Sale", "New", "Top", "Menu", "Close", "Skip to content",
    "Settings", "Language", "English", "Deutsch", "Français", "Español", "Mobile", "Desktop",
    "Toggle navigation", "Loading...", "View", "Edit", "History", "Permalink", "Advertisement",
    "Sponsored",
]  # fmt: skip
_NOTICES = (
    "We use cookies to improve your experience. "
    "By using this site you agree to our use of cookies.",
    "This website uses cookies. Accept all | Reject | Settings",
    "Please enable JavaScript to view this page.",
    "You must be logged in to post a comment.",
    "Your email address will not be published. Required fields are marked *",
    "Forgot your password? Click here to reset it.",
    "Enter your e-mail to subscribe to our newsletter.",
    "Your browser is out of date. Please update your browser.",
    "Sorry, the page you were looking for could not be found.",
    "Share this: Twitter Facebook Email Print LinkedIn Reddit",
    "Free shipping on orders over $50! Shop now",
    "Click here to view the full version of this page.",
    "No comments yet. Be the first to comment!",
    "Notify me of new posts by email.",
    "Sign in with Google | Sign in with Facebook",
    "Powered by WordPress. Theme by Themes & Co.",
)


def boilerplate(text: str, rng: np.random.Generator) -> str:
    """Replace a text by menus, links, notices and teasers made partly of its own words."""
    words: list[str] = re.findall(r"[^\W\d_]{3,}", text) or ["page"]

    def word() -> str:
        return words[int(rng.integers(len(words)))]

    def title() -> str:
        return " ".join(word().capitalize() for _ in range(int(rng.integers(1, 4))))

    def teaser() -> str:
        start = int(rng.integers(max(1, len(text) - 40)))
        return " ".join(text[start : start + int(rng.integers(20, 80))].split()) + "..."

    def link() -> str:
        scheme = str(rng.choice(["http://www.", "https://", "www.", "/", ""]))
        name = word().lower()
        return f"{scheme}{name}.{rng.choice(['com', 'org', 'net', 'de'])}/{word().lower()}"

    def day() -> str:
        return f"{rng.integers(1, 29)}/{rng.integers(1, 13)}/{rng.integers(2001, 2026)}"

    makers: list[Callable[[], str]] = [
        lambda: str(rng.choice(_MENU)),
        title,
        lambda: str(rng.choice(_NOTICES)),
        lambda: f"© {rng.integers(1998, 2026)} {title()}. All rights reserved.",
        link,
        lambda: f"{title()} ({rng.integers(1, 500)})",
        lambda: f"Posted by {word()} on {day()} | {rng.integers(0, 90)} comments",
        lambda: "Tags: " + ", ".join(word().lower() for _ in range(int(rng.integers(2, 7)))),
        lambda: f"{teaser()} Read more »",
        lambda: (
            "« Previous " + " ".join(str(k) for k in range(1, int(rng.integers(3, 9)))) + " Next »"
        ),
        lambda: " > ".join(["Home", *(title() for _ in range(int(rng.integers(1, 4))))]),
        lambda: f"[{title()}]({link()})",
    ]
    # Menus first of all; the rest in shares that differ from page to page.
    alpha = np.array([4, 3, 1, 0.5, 1, 1, 0.5, 0.4, 0.6, 0.3, 0.5, 0.5])
    shares = rng.dirichlet(alpha)
    between = str(rng.choice(["\n", "\n", "\n", " | ", " ", " · ", "\n* ", "\n- ", "\n\n", "  "]))
    out: list[str] = []
    length = 0
    while length < len(text) or len(out) < 4:
        item = makers[int(rng.choice(len(makers), p=shares))]()
        out.append(item)
        length += len(item) + len(between)
    return between.join(out)
